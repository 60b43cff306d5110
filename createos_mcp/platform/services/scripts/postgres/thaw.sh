export PGOPTIONS="-c default_transaction_read_only=off"
exec psql -q -v ON_ERROR_STOP=1 << 'SQL'
ALTER SYSTEM RESET default_transaction_read_only;
SELECT pg_reload_conf() \g /dev/null
SQL
