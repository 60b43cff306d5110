# Removes a backup, and the archived log that the others do not need.
set -eu
rm -rf "backups/$BACKUP"
first=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))/\1/p' backups/*/backup_label | sort | head -n 1)
[ -z "$first" ] || pg_archivecleanup archive "$first"
