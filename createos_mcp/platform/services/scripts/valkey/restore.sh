# Puts a backup where the data was.
set -eu
rm -rf former
load "backups/$BACKUP/dump.rdb"
mv data former
mv draft data
