set -eu
export REDISCLI_AUTH="$ADMIN_PASSWORD"
rm -rf backups/*.part
mkdir "backups/$BACKUP.part"
valkey-cli -e -s "$HOME/run/valkey.sock" --user owner --rdb "backups/$BACKUP.part/dump.rdb" > /dev/null
mv "backups/$BACKUP.part" "backups/$BACKUP"
