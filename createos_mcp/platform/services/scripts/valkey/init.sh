# Makes the list of users; the one that has every right is the platform's own.
set -eu
umask 077
mkdir -p run backups
chmod 755 run
if ! [ -f users.acl ]; then
  hash=$(printf '%s' "$ADMIN_PASSWORD" | sha256sum | cut -d ' ' -f 1)
  printf 'user default off\nuser owner on #%s ~* &* +@all\n' "$hash" > users.draft
  mv users.draft users.acl
fi
# A restore that was interrupted has moved the data aside, and put nothing in its place yet.
[ -d data ] || [ ! -d former ] || mv former data
[ -d data ] && exit 0
if [ -f restored ]; then
  name=$(cat restored)
  load "backups/$name/dump.rdb"
  mv draft data
  rm restored
fi
mkdir -p data
