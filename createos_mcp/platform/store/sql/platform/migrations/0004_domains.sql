-- One name leads to one place on this machine, whoever owns it.
CREATE TABLE domains (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    environment_id TEXT REFERENCES environments (id) ON DELETE SET NULL,
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    token TEXT NOT NULL,
    message TEXT,
    failed_verification_count INTEGER NOT NULL,
    last_failed_verified_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX domains_by_project ON domains (project_id);
CREATE INDEX domains_by_environment ON domains (environment_id);
