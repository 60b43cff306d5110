exec psql -q -v ON_ERROR_STOP=1 << 'SQL'
ALTER SYSTEM SET default_transaction_read_only = on;
SELECT pg_reload_conf() \g /dev/null
SQL
