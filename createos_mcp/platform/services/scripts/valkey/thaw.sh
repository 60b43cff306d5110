export REDISCLI_AUTH="$ADMIN_PASSWORD"
exec valkey-cli -e -s "$HOME/run/valkey.sock" --user owner config set min-replicas-to-write 0
