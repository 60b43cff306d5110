"""SQLite: rows, queries, migrations."""
