-- Everything that the API acknowledges.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT,
    secret_hash TEXT NOT NULL UNIQUE,
    expired_at TEXT,
    revoked_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user_id);
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    unique_name TEXT NOT NULL COLLATE NOCASE,
    display_name TEXT NOT NULL,
    description TEXT,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    settings TEXT NOT NULL,
    enabled_security_scan INTEGER NOT NULL,
    app_id TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (user_id, unique_name)
) STRICT;
CREATE INDEX projects_by_user ON projects (user_id, created_at);
CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    unique_name TEXT NOT NULL COLLATE NOCASE,
    display_name TEXT NOT NULL,
    description TEXT,
    branch TEXT,
    status TEXT NOT NULL,
    is_auto_promote_enabled INTEGER NOT NULL,
    resources TEXT NOT NULL,
    settings TEXT NOT NULL,
    deployment_id TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (project_id, unique_name)
) STRICT;
CREATE TABLE deployments (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    source TEXT NOT NULL,
    settings TEXT NOT NULL,
    instance TEXT,
    release TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (project_id, version)
) STRICT;
CREATE INDEX deployments_by_status ON deployments (status);
CREATE TABLE build_log (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    line_number INTEGER NOT NULL,
    stage TEXT NOT NULL,
    log TEXT NOT NULL,
    ts TEXT NOT NULL,
    PRIMARY KEY (deployment_id, line_number)
) STRICT, WITHOUT ROWID;
-- An owner is an environment or a deployment.
CREATE TABLE ports (
    port INTEGER PRIMARY KEY,
    owner_id TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
