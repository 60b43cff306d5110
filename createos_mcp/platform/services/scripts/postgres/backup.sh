# A copy of the cluster; with the log that is archived from then on, any later moment, too.
set -eu
rm -rf backups/*.part
pg_basebackup -D "backups/$BACKUP.part" -X stream -c fast
mv "backups/$BACKUP.part" "backups/$BACKUP"
