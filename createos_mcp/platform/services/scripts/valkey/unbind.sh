export REDISCLI_AUTH="$ADMIN_PASSWORD"
printf 'ACL DELUSER %s\nACL SAVE\n' "$ROLE" |
  valkey-cli -e -s "$HOME/run/valkey.sock" --user owner
