# Before every script: how the platform itself reaches the server.
export PGHOST="$HOME/run" PGUSER=owner PGPASSWORD="${ADMIN_PASSWORD-}" PGDATABASE=app
