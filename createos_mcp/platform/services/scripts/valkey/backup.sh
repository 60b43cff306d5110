set -eu
rm -rf backups/*.part
mkdir "backups/$BACKUP.part"
ask --rdb "backups/$BACKUP.part/dump.rdb" > /dev/null
mv "backups/$BACKUP.part" "backups/$BACKUP"
