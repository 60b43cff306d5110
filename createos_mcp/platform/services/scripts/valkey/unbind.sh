printf 'ACL DELUSER %s\nACL SAVE\n' "$ROLE" | ask
