# No other instance runs when this begins; a PID of an earlier sandbox says nothing.
rm -f data/postmaster.pid run/.s.PGSQL.5432 run/.s.PGSQL.5432.lock
# Whether it takes writes is decided while it runs.
sed -i '/^default_transaction_read_only/d' data/postgresql.auto.conf
exec postgres -D data \
  -c "listen_addresses=${LISTEN_ADDRESS-}" \
  -c "unix_socket_directories=$HOME/run" \
  -c unix_socket_permissions=0777 \
  -c max_connections=100 \
  -c "shared_buffers=$((MEMORY_MB / 4))MB" \
  -c max_wal_size=256MB \
  -c archive_mode=on \
  -c "archive_command=cp %p $HOME/archive/%f.part && sync $HOME/archive/%f.part && mv $HOME/archive/%f.part $HOME/archive/%f" \
  -c archive_timeout=300 \
  -c log_min_messages=warning \
  -c huge_pages=off
