-- Each project is a user of its own to the kernel; a number is never given to another project.
CREATE TABLE project_users (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL UNIQUE
);

-- Releases are seen at another place from now on: they are built again when they are needed.
UPDATE deployments SET release = NULL;
DELETE FROM replica_sets;
UPDATE deployments SET status = 'sleeping', reason = 'The platform was upgraded.',
reason_code = NULL WHERE status IN ('deployed', 'crashing', 'deploying');
