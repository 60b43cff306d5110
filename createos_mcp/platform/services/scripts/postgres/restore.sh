# Puts a backup where the data was; TARGET is a moment after it, or empty.
set -eu
rm -rf former draft
cp -a "backups/$BACKUP" draft
touch draft/recovery.signal
{
  echo "restore_command = 'cp $HOME/archive/%f %p'"
  # What followed the backup itself: a later restore has begun another line.
  echo "recovery_target_timeline = 'current'"
  echo "recovery_target_action = 'promote'"
  if [ -n "$TARGET" ]; then
    echo "recovery_target_time = '$TARGET'"
  else
    echo "recovery_target = 'immediate'"
  fi
} >> draft/postgresql.auto.conf
sync
mv data former
mv draft data
