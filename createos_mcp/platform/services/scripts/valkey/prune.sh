rm -rf "backups/$BACKUP"
