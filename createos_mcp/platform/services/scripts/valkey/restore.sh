# A server that logs its writes does not read a snapshot at its start: one that does not log reads
# it, and begins to log.
set -eu
export REDISCLI_AUTH="$ADMIN_PASSWORD"
rm -rf former draft
mkdir draft
cp "backups/$BACKUP/dump.rdb" draft/dump.rdb
valkey-server --port 0 --unixsocket "$HOME/run/restore.sock" --dir "$HOME/draft" \
  --aclfile "$HOME/users.acl" --appendonly no --save "" --loglevel warning &
ask() { valkey-cli -e -s "$HOME/run/restore.sock" --user owner "$@"; }
until [ "$(ask ping 2> /dev/null)" = PONG ]; do sleep 0.1; done
ask config set appendonly yes > /dev/null
until ask info persistence | grep -q 'aof_rewrite_in_progress:0' &&
  ask info persistence | grep -q 'aof_rewrite_scheduled:0'; do sleep 0.1; done
ask shutdown nosave || true
wait
rm -f draft/dump.rdb run/restore.sock
mv data former
mv draft data
