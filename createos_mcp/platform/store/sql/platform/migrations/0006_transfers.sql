-- A token is good for one transfer; see store/transfers.py.
CREATE UNIQUE INDEX users_by_name ON users (name COLLATE NOCASE);
CREATE TABLE transfers (
    id TEXT PRIMARY KEY,
    token_id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    from_user_id TEXT NOT NULL REFERENCES users (id),
    to_user_id TEXT NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX transfers_by_project ON transfers (project_id);
