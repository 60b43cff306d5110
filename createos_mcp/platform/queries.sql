-- migrate_1 --
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

-- migrate_2 --
-- The API calls a group an app.
CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT,
    color TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX groups_by_user ON groups (user_id);
CREATE INDEX projects_by_app ON projects (app_id);
CREATE TRIGGER groups_let_go AFTER DELETE ON groups
BEGIN UPDATE projects SET app_id = NULL WHERE app_id = OLD.id; END;

-- migrate_3 --
-- A token is good for one transfer; see transfers.py.
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

-- add_group --
INSERT INTO groups VALUES (
    :id, :user_id, :name, :description, :color, :created_at, :created_at
);

-- group --
SELECT * FROM groups WHERE id = :id;

-- groups --
SELECT * FROM groups WHERE user_id = :user_id ORDER BY created_at, id;

-- update_group --
UPDATE groups SET name = :name, description = :description, color = :color, updated_at = :now
WHERE id = :id;

-- remove_group --
DELETE FROM groups WHERE id = :id;

-- group_project --
UPDATE projects SET app_id = :app_id WHERE id = :id;

-- first_user --
-- The first row written, whatever the clock said since.
SELECT * FROM users ORDER BY rowid LIMIT 1;

-- users --
SELECT * FROM users ORDER BY rowid;

-- user_named --
SELECT * FROM users WHERE name = :name COLLATE NOCASE;

-- add_user --
INSERT INTO users VALUES (:id, :name, :email, :created_at);

-- user_of_key --
-- Expiry times are written in one form, so that they compare as text.
SELECT users.* FROM users JOIN api_keys ON api_keys.user_id = users.id
WHERE secret_hash = :secret_hash AND revoked_at IS NULL
AND (expired_at IS NULL OR expired_at > :now);

-- add_key --
INSERT INTO api_keys VALUES (
    :id, :user_id, :name, :description, :secret_hash, :expired_at, NULL, :created_at, :created_at
);

-- keys --
SELECT * FROM api_keys WHERE user_id = :user_id ORDER BY created_at;

-- live_keys --
SELECT * FROM api_keys WHERE user_id = :user_id AND revoked_at IS NULL
AND (expired_at IS NULL OR expired_at > :now);

-- update_key --
UPDATE api_keys SET name = :name, description = :description, updated_at = :now WHERE id = :id;

-- revoke_key --
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now), updated_at = :now WHERE id = :id;

-- add_project --
INSERT INTO projects VALUES (
    :id, :user_id, :unique_name, :display_name, :description, :type, :status, :source, :settings,
    :enabled_security_scan, :app_id, :created_at, :created_at
);

-- project --
SELECT * FROM projects WHERE id = :id;

-- projects --
-- A filter that is NULL does not filter; :app is 'null' for projects without an app.
SELECT *, count(*) OVER () AS total FROM projects WHERE user_id = :user_id
AND (:status IS NULL OR status = :status)
AND (:type IS NULL OR type = :type)
AND (:name IS NULL OR instr(lower(unique_name), lower(:name))
    OR instr(lower(display_name), lower(:name)))
AND (:app IS NULL OR (:app = 'null' AND app_id IS NULL) OR app_id = :app)
ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset;

-- count_projects --
SELECT count(*) AS total FROM projects WHERE user_id = :user_id;

-- project_named --
SELECT * FROM projects WHERE user_id = :user_id AND unique_name = :unique_name;

-- update_project --
UPDATE projects SET display_name = :display_name, description = :description,
enabled_security_scan = :enabled_security_scan, updated_at = :now WHERE id = :id;

-- set_project_settings --
UPDATE projects SET settings = :settings, updated_at = :now WHERE id = :id;

-- set_project_status --
UPDATE projects SET status = :status, updated_at = :now WHERE id = :id;

-- projects_in --
SELECT * FROM projects WHERE status = :status ORDER BY created_at;

-- remove_project --
DELETE FROM projects WHERE id = :id;

-- give_project --
-- An app belongs to one user, so that the project leaves its app.
UPDATE projects SET user_id = :user_id, app_id = NULL, updated_at = :now WHERE id = :id;

-- transfer_by_token --
SELECT * FROM transfers WHERE token_id = :token_id;

-- add_transfer --
INSERT INTO transfers VALUES (
    :id, :token_id, :project_id, :from_user_id, :to_user_id, :created_at
);

-- transfers --
SELECT * FROM transfers WHERE project_id = :project_id ORDER BY rowid DESC;

-- add_environment --
INSERT INTO environments VALUES (
    :id, :project_id, :unique_name, :display_name, :description, :branch, :status,
    :is_auto_promote_enabled, :resources, :settings, NULL, :created_at, :created_at
);

-- environments --
SELECT environments.*, port FROM environments JOIN ports ON owner_id = environments.id
WHERE project_id = :project_id ORDER BY created_at;

-- all_environments --
SELECT environments.*, port FROM environments JOIN ports ON owner_id = environments.id
ORDER BY created_at;

-- point_environment --
UPDATE environments SET deployment_id = :deployment_id, updated_at = :now WHERE id = :id;

-- add_deployment --
INSERT INTO deployments
SELECT :id, :project_id, coalesce(max(version), 0) + 1, :status, NULL, :source, :settings,
NULL, NULL, :created_at, :created_at
FROM deployments WHERE project_id = :project_id;

-- deployment --
SELECT deployments.*, port FROM deployments LEFT JOIN ports ON owner_id = deployments.id
WHERE deployments.id = :id;

-- deployments --
SELECT deployments.*, port, count(*) OVER () AS total
FROM deployments LEFT JOIN ports ON owner_id = deployments.id
WHERE project_id = :project_id ORDER BY version DESC LIMIT :limit OFFSET :offset;

-- all_deployments --
SELECT deployments.*, port FROM deployments LEFT JOIN ports ON owner_id = deployments.id
ORDER BY created_at;

-- count_pending --
SELECT count(*) AS total FROM deployments
WHERE project_id = :project_id AND status IN ('queue', 'building');

-- move_deployment --
UPDATE deployments SET status = :status, reason = :reason, updated_at = :now WHERE id = :id;

-- set_release --
UPDATE deployments SET release = :release WHERE id = :id;

-- set_instance --
UPDATE deployments SET instance = :instance WHERE id = :id;

-- remove_deployment --
DELETE FROM deployments WHERE id = :id;

-- append_build_log --
INSERT INTO build_log
SELECT :deployment_id, coalesce(max(line_number), 0) + 1, :stage, :log, :ts
FROM build_log WHERE deployment_id = :deployment_id;

-- build_log --
SELECT * FROM build_log WHERE deployment_id = :deployment_id
ORDER BY line_number LIMIT -1 OFFSET :skip;

-- port_of --
SELECT port FROM ports WHERE owner_id = :owner_id;

-- ports_in_use --
SELECT port FROM ports;

-- claim_port --
INSERT INTO ports VALUES (:port, :owner_id)
ON CONFLICT (owner_id) DO UPDATE SET port = excluded.port;

-- release_port --
DELETE FROM ports WHERE owner_id = :owner_id;

-- secret --
SELECT value FROM secrets WHERE name = :name;

-- add_secret --
INSERT INTO secrets VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;
