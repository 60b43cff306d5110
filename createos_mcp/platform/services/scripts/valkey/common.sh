# Before every script: how the platform itself reaches the server.
export REDISCLI_AUTH="${ADMIN_PASSWORD-}"
ask() { valkey-cli -e -s "$HOME/run/valkey.sock" --user owner "$@"; }

# Makes ./draft of a snapshot. A server that logs its writes does not read one at its start: one
# that does not log reads it, and begins to log.
load() {
  rm -rf draft
  mkdir draft
  cp "$1" draft/dump.rdb
  valkey-server --port 0 --unixsocket "$HOME/run/load.sock" --dir "$HOME/draft" \
    --aclfile "$HOME/users.acl" --appendonly no --save "" --loglevel warning &
  told() { valkey-cli -e -s "$HOME/run/load.sock" --user owner "$@"; }
  until [ "$(told ping 2> /dev/null)" = PONG ]; do sleep 0.1; done
  told config set appendonly yes > /dev/null
  until told info persistence | grep -q 'aof_rewrite_in_progress:0' &&
    told info persistence | grep -q 'aof_rewrite_scheduled:0'; do sleep 0.1; done
  told shutdown nosave || true
  wait
  rm -f draft/dump.rdb run/load.sock
}
