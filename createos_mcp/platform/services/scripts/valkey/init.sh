# Makes the list of users; the one that has every right is the platform's own.
set -eu
umask 077
mkdir -p run backups data
chmod 755 run
[ -f users.acl ] && exit 0
hash=$(printf '%s' "$ADMIN_PASSWORD" | sha256sum | cut -d ' ' -f 1)
printf 'user default off\nuser owner on #%s ~* &* +@all\n' "$hash" > users.draft
mv users.draft users.acl
