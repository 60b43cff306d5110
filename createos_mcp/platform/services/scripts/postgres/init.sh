# Makes the cluster, whole or not at all.
set -eu
umask 077
mkdir -p run backups archive
chmod 755 run
# A restore that was interrupted has moved the data aside, and put nothing in its place yet.
[ -d data ] || [ ! -d former ] || mv former data
[ -d data ] && exit 0
rm -rf draft
if [ -f restored ]; then # A backup has the log that it needs within it.
  name=$(cat restored)
  cp -a "backups/$name" draft
  sync
  mv draft data
  rm restored
  exit 0
fi
printf '%s\n' "$ADMIN_PASSWORD" > password
initdb -D draft -U owner --pwfile=password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 > /dev/null
rm password
alone() { postgres --single -D draft "$1" > /dev/null; }
# One statement a line: https://www.postgresql.org/docs/current/app-postgres.html
alone postgres << 'SQL'
CREATE ROLE app NOLOGIN
CREATE DATABASE app OWNER app
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC
SQL
alone app << 'SQL'
CREATE EXTENSION vector
SQL
sync
mv draft data
