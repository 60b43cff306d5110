# After a restore that came up: nothing of it decides about a later start.
set -eu
until [ "$(psql -qAt -c 'SELECT pg_is_in_recovery()')" = f ]; do sleep 0.1; done
for name in restore_command recovery_target_timeline recovery_target_action \
  recovery_target_time recovery_target; do
  psql -q -c "ALTER SYSTEM RESET $name"
done
if [ -n "$KEEP" ]; then # It could not be backed up.
  rm -rf broken
  mv former broken
fi
rm -rf former
