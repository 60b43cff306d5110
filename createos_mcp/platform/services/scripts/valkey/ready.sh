export REDISCLI_AUTH="$ADMIN_PASSWORD"
until [ "$(valkey-cli -s "$HOME/run/valkey.sock" --user owner ping 2> /dev/null)" = PONG ]; do
  sleep 0.1
done
