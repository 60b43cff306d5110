export REDISCLI_AUTH="$ADMIN_PASSWORD"
printf 'ACL SETUSER %s reset on >%s ~* &* +@all -@admin -migrate\nACL SAVE\n' "$ROLE" "$PASSWORD" |
  valkey-cli -e -s "$HOME/run/valkey.sock" --user owner
