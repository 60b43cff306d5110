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
