# Every write is on disk before it is answered: https://valkey.io/topics/persistence/
rm -f run/valkey.sock
exec valkey-server \
  --port 0 \
  --unixsocket "$HOME/run/valkey.sock" \
  --unixsocketperm 777 \
  --dir "$HOME/data" \
  --aclfile "$HOME/users.acl" \
  --appendonly yes \
  --appendfsync always \
  --save "" \
  --repl-diskless-sync-delay 0 \
  --maxmemory "$((MEMORY_MB * 3 / 4))mb" \
  --maxmemory-policy noeviction \
  --loglevel warning
