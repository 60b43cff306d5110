# Without a replica that has the writes none are taken: https://valkey.io/topics/replication/
export REDISCLI_AUTH="$ADMIN_PASSWORD"
exec valkey-cli -e -s "$HOME/run/valkey.sock" --user owner config set min-replicas-to-write 1
