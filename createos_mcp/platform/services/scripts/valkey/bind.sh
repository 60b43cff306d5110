printf 'ACL SETUSER %s reset on >%s ~* &* +@all -@admin -migrate\nACL SAVE\n' "$ROLE" "$PASSWORD" |
  ask
