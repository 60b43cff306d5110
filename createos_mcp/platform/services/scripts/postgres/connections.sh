export PGHOST="$HOME/run" PGUSER=owner PGPASSWORD="$ADMIN_PASSWORD" PGDATABASE=app
exec psql -qAt -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'owner'"
