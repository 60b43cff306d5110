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
-- Several environments of a project each run replicas of a deployment, and so may a deployment
-- that no environment serves (environment_id NULL). A row of replica_sets means: this shall run.
ALTER TABLE environments ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN next_deployment_id TEXT;
ALTER TABLE environments ADD COLUMN message TEXT;
UPDATE environments SET host = (
    SELECT lower(environments.unique_name || '-' || projects.unique_name)
    FROM projects WHERE projects.id = project_id
);
UPDATE environments SET host = host || '-' || substr(id, 1, 8) WHERE EXISTS (
    SELECT 1 FROM environments AS other
    WHERE other.host = environments.host AND other.rowid < environments.rowid
);
CREATE UNIQUE INDEX environments_by_host ON environments (host);
ALTER TABLE deployments ADD COLUMN live_at TEXT;
UPDATE deployments SET live_at = updated_at WHERE status IN ('deployed', 'crashing', 'sleeping');
ALTER TABLE deployments DROP COLUMN instance;
CREATE TABLE replica_sets (
    id TEXT PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
    run_envs TEXT NOT NULL,
    port INTEGER NOT NULL,
    resources TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX replica_sets_by_deployment ON replica_sets (deployment_id);
CREATE INDEX replica_sets_by_environment ON replica_sets (environment_id);
-- Written before a process is started, so that a kill leaves nothing that cannot be found.
CREATE TABLE replicas (
    id TEXT PRIMARY KEY,
    set_id TEXT NOT NULL REFERENCES replica_sets (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    instance TEXT
) STRICT;
CREATE INDEX replicas_by_set ON replicas (set_id);

-- migrate_4 --
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

-- migrate_5 --
CREATE TABLE cronjobs (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    schedule TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    suspended_at TEXT,
    over_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX cronjobs_by_project ON cronjobs (project_id);
CREATE INDEX cronjobs_by_environment ON cronjobs (environment_id);
-- The number tells the order of runs, also when the clock was wrong; a moment is run once.
CREATE TABLE cronjob_activities (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    cronjob_id TEXT NOT NULL REFERENCES cronjobs (id) ON DELETE CASCADE,
    scheduled_at TEXT NOT NULL,
    success INTEGER,
    status_code INTEGER,
    log TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (cronjob_id, scheduled_at)
) STRICT;
CREATE INDEX cronjob_activities_unfinished ON cronjob_activities (cronjob_id) WHERE success IS NULL;

-- migrate_6 --
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

-- add_domain --
INSERT INTO domains VALUES (
    :id, :project_id, :environment_id, :name, :status, :token, :message, 0, NULL,
    :created_at, :created_at
) RETURNING *;

-- domain_named --
SELECT * FROM domains WHERE name = :name;

-- domain --
SELECT * FROM domains WHERE project_id = :project_id AND id = :id;

-- domains --
SELECT * FROM domains WHERE project_id = :project_id ORDER BY created_at, id;

-- routed_domains --
SELECT * FROM domains WHERE status = 'active' AND environment_id = :environment_id
ORDER BY created_at, id;

-- routed_environments --
SELECT DISTINCT environment_id FROM domains
WHERE status = 'active' AND environment_id IS NOT NULL;

-- verify_domain --
UPDATE domains SET status = 'active', message = :message, updated_at = :now
WHERE id = :id AND status = 'pending';

-- fail_domain --
UPDATE domains SET message = :message, last_failed_verified_at = :now, updated_at = :now,
failed_verification_count = failed_verification_count + 1
WHERE id = :id AND status = 'pending';

-- assign_domain --
UPDATE domains SET environment_id = :environment_id, updated_at = :now WHERE id = :id;

-- remove_domain --
DELETE FROM domains WHERE id = :id;

-- add_cronjob --
INSERT INTO cronjobs VALUES (
    :id, :project_id, :environment_id, :name, :schedule, :status, :settings, NULL,
    :created_at, :created_at, :created_at
);

-- cronjob --
SELECT cronjobs.*, port AS environment_port FROM cronjobs JOIN ports ON owner_id = environment_id
WHERE project_id = :project_id AND id = :id;

-- cronjobs --
SELECT cronjobs.*, port AS environment_port FROM cronjobs JOIN ports ON owner_id = environment_id
WHERE project_id = :project_id ORDER BY created_at, id;

-- scheduled_cronjobs --
SELECT cronjobs.*, port AS environment_port FROM cronjobs JOIN ports ON owner_id = environment_id
JOIN projects ON projects.id = project_id
WHERE cronjobs.status = 'active' AND projects.status = 'active';

-- update_cronjob --
UPDATE cronjobs SET name = :name, schedule = :schedule, settings = :settings,
over_at = max(over_at, :now), updated_at = :now WHERE id = :id;

-- suspend_cronjob --
UPDATE cronjobs SET status = 'suspended', suspended_at = :now, updated_at = :now
WHERE id = :id AND status = 'active' RETURNING id;

-- unsuspend_cronjob --
UPDATE cronjobs SET status = 'active', suspended_at = NULL, over_at = max(over_at, :now),
updated_at = :now WHERE id = :id AND status = 'suspended' RETURNING id;

-- remove_cronjob --
DELETE FROM cronjobs WHERE id = :id;

-- pass_moment --
-- Nothing when the job was changed, suspended or deleted since it was read.
UPDATE cronjobs SET over_at = :moment
WHERE id = :id AND status = 'active' AND updated_at = :updated_at RETURNING id;

-- add_activity --
INSERT INTO cronjob_activities (id, cronjob_id, scheduled_at, success, log, created_at)
VALUES (:id, :cronjob_id, :scheduled_at, :success, :log, :created_at)
ON CONFLICT (cronjob_id, scheduled_at) DO NOTHING RETURNING *;

-- forget_activities --
DELETE FROM cronjob_activities WHERE cronjob_id = :cronjob_id AND number NOT IN (
    SELECT number FROM cronjob_activities WHERE cronjob_id = :cronjob_id
    ORDER BY number DESC LIMIT :keep
);

-- finish_activity --
UPDATE cronjob_activities SET success = :success, status_code = :status_code, log = :log
WHERE id = :id;

-- close_activities --
UPDATE cronjob_activities SET success = 0, log = :log WHERE success IS NULL;

-- activities --
SELECT * FROM cronjob_activities WHERE cronjob_id = :cronjob_id
ORDER BY number DESC LIMIT :limit;

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
-- Not materialized, the page ends where it is full, in the order of the index.
WITH matching AS NOT MATERIALIZED (
    SELECT *, rowid AS place FROM projects WHERE user_id = :user_id
    AND (:status IS NULL OR status = :status)
    AND (:type IS NULL OR type = :type)
    AND (:name IS NULL OR instr(lower(unique_name), lower(:name))
        OR instr(lower(display_name), lower(:name)))
    AND (:app IS NULL OR (:app = 'null' AND app_id IS NULL) OR app_id = :app)
)
SELECT *, (SELECT count(*) FROM matching) AS total FROM matching
ORDER BY created_at DESC, place DESC LIMIT :limit OFFSET :offset;

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
INSERT INTO environments (
    id, project_id, unique_name, display_name, description, branch, status,
    is_auto_promote_enabled, resources, settings, host, created_at, updated_at
) VALUES (
    :id, :project_id, :unique_name, :display_name, :description, :branch, 'active',
    :is_auto_promote_enabled, :resources, :settings, :host, :created_at, :created_at
);

-- environment --
SELECT environments.*, port FROM environments JOIN ports ON owner_id = environments.id
WHERE environments.id = :id;

-- environments --
SELECT environments.*, port FROM environments JOIN ports ON owner_id = environments.id
WHERE project_id = :project_id ORDER BY created_at, environments.rowid;

-- all_environments --
SELECT environments.*, port FROM environments JOIN ports ON owner_id = environments.id
ORDER BY created_at, environments.rowid;

-- environment_named --
SELECT id FROM environments WHERE project_id = :project_id AND unique_name = :unique_name;

-- environment_at --
SELECT id FROM environments WHERE host = :host;

-- point_environment --
-- What was wanted is reached, unless something else is wanted by now.
UPDATE environments SET deployment_id = :deployment_id, message = NULL, updated_at = :now,
next_deployment_id = nullif(next_deployment_id, :deployment_id) WHERE id = :id;

-- empty_environment --
UPDATE environments SET deployment_id = NULL, updated_at = :now WHERE id = :id;

-- want_deployment --
UPDATE environments SET next_deployment_id = :deployment_id, status = 'promoting',
message = NULL, updated_at = :now WHERE id = :id;

-- give_up_deployment --
UPDATE environments SET next_deployment_id = NULL, message = :message, updated_at = :now
WHERE id = :id AND next_deployment_id = :deployment_id;

-- set_environment_resources --
UPDATE environments SET resources = :resources, message = NULL, updated_at = :now,
status = CASE status WHEN 'active' THEN 'resizing' ELSE status END WHERE id = :id;

-- reset_environment_resources --
-- Only as long as nobody has asked for others meanwhile.
UPDATE environments SET resources = :resources, message = :message, updated_at = :now
WHERE id = :id AND resources = :refused;

-- settle_environment --
UPDATE environments SET status = 'active', updated_at = :now
WHERE id = :id AND next_deployment_id IS NULL AND resources = :resources
AND status IN ('promoting', 'resizing');

-- set_environment_settings --
UPDATE environments SET settings = :settings, updated_at = :now WHERE id = :id;

-- update_environment --
UPDATE environments SET display_name = :display_name, description = :description,
branch = :branch, is_auto_promote_enabled = :is_auto_promote_enabled, updated_at = :now
WHERE id = :id;

-- mark_environment_deleting --
UPDATE environments SET status = 'deleting', next_deployment_id = NULL, updated_at = :now
WHERE id = :id;

-- remove_environment --
DELETE FROM environments WHERE id = :id;

-- add_replica_set --
INSERT INTO replica_sets VALUES (
    :id, :deployment_id, :environment_id, :run_envs, :port, :resources, :created_at
);

-- replica_sets --
SELECT * FROM replica_sets ORDER BY rowid;

-- remove_replica_set --
DELETE FROM replica_sets WHERE id = :id;

-- resize_replica_set --
UPDATE replica_sets SET resources = :resources WHERE id = :id;

-- add_replica --
INSERT INTO replicas VALUES (:id, :set_id, :number, NULL);

-- replicas --
SELECT * FROM replicas ORDER BY number;

-- set_instance --
UPDATE replicas SET instance = :instance WHERE id = :id;

-- remove_replica --
DELETE FROM replicas WHERE id = :id;

-- add_deployment --
INSERT INTO deployments (
    id, project_id, version, status, source, settings, created_at, updated_at
)
SELECT :id, :project_id, coalesce(max(version), 0) + 1, :status, :source, :settings,
:created_at, :created_at
FROM deployments WHERE project_id = :project_id;

-- deployment --
SELECT deployments.*, port FROM deployments LEFT JOIN ports ON owner_id = deployments.id
WHERE deployments.id = :id;

-- deployments --
SELECT deployments.*, port,
(SELECT count(*) FROM deployments WHERE project_id = :project_id) AS total
FROM deployments LEFT JOIN ports ON owner_id = deployments.id
WHERE project_id = :project_id ORDER BY version DESC LIMIT :limit OFFSET :offset;

-- deployments_in --
SELECT deployments.*, port FROM deployments LEFT JOIN ports ON owner_id = deployments.id
WHERE status IN (SELECT value FROM json_each(:statuses)) ORDER BY created_at;

-- count_pending --
SELECT count(*) AS total FROM deployments
WHERE project_id = :project_id AND status IN ('queue', 'building');

-- move_deployment --
UPDATE deployments SET status = :status, reason = :reason, updated_at = :now,
live_at = CASE :status WHEN 'deployed' THEN coalesce(live_at, :now) ELSE live_at END
WHERE id = :id;

-- set_release --
UPDATE deployments SET release = :release WHERE id = :id;

-- releases_in_use --
-- What runs, shall run, is being built, or is among the newest of its project.
SELECT deployment_id AS id FROM replica_sets
UNION SELECT deployment_id FROM environments WHERE deployment_id IS NOT NULL
UNION SELECT next_deployment_id FROM environments WHERE next_deployment_id IS NOT NULL
UNION SELECT id FROM deployments WHERE status IN ('queue', 'building', 'deploying')
UNION SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY project_id ORDER BY version DESC) AS place
    FROM deployments WHERE release IS NOT NULL
) WHERE place <= :newest;

-- all_deployment_ids --
SELECT id FROM deployments;

-- owners_of_deployments --
SELECT deployments.id, user_id FROM deployments JOIN projects ON projects.id = project_id
WHERE deployments.id IN (SELECT value FROM json_each(:ids));

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

-- traffic_migrate_1 --
-- In a file of its own: counts of requests, by second and, when those are old, by minute.
CREATE TABLE traffic_seconds (
    environment_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    path TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (environment_id, at, status, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE traffic_minutes (
    environment_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    path TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (environment_id, at, status, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX traffic_seconds_by_time ON traffic_seconds (at);
CREATE INDEX traffic_minutes_by_time ON traffic_minutes (at);
CREATE VIEW traffic AS
    SELECT * FROM traffic_seconds UNION ALL SELECT * FROM traffic_minutes;

-- check_traffic --
PRAGMA quick_check(1);

-- count_traffic --
INSERT INTO traffic_seconds (environment_id, at, status, path, count)
VALUES (:environment_id, :at, :status, :path, :count)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- roll_traffic --
INSERT INTO traffic_minutes (environment_id, at, status, path, count)
SELECT environment_id, at / 60 * 60, status, path, sum(count) FROM traffic_seconds
WHERE at < :before GROUP BY environment_id, at / 60, status, path
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- forget_traffic_seconds --
DELETE FROM traffic_seconds WHERE at < :before;

-- forget_traffic_minutes --
DELETE FROM traffic_minutes WHERE at < :before;

-- traffic_patterns --
SELECT DISTINCT environment_id, path FROM traffic WHERE at >= :since;

-- traffic_statuses --
SELECT status, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY status ORDER BY count DESC, status;

-- traffic_peak --
SELECT coalesce(max(count), 0) AS count FROM (
    SELECT sum(count) AS count FROM traffic
    WHERE environment_id = :environment_id AND at BETWEEN :start AND :end GROUP BY at / 60
);

-- traffic_paths --
SELECT path, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY path ORDER BY count DESC, path LIMIT :limit;

-- traffic_error_paths --
SELECT path, status, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end AND status >= 400
GROUP BY path, status ORDER BY count DESC, path, status LIMIT :limit;

-- traffic_points --
SELECT at / :width_s * :width_s AS began, status / 100 AS class, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY began, class ORDER BY began;
