export REDISCLI_AUTH="$ADMIN_PASSWORD"
valkey-cli -s "$HOME/run/valkey.sock" --user owner client list | grep -c 'user=b'
true
