exec psql -q -v ON_ERROR_STOP=1 << 'SQL'
\getenv role ROLE
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS there \gset
\if :there
ALTER ROLE :"role" NOLOGIN;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'role' \g /dev/null
REASSIGN OWNED BY :"role" TO app;
DROP OWNED BY :"role";
DROP ROLE :"role";
\endif
SQL
