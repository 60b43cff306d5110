-- add_deployment --
INSERT INTO deployments (
    id, project_id, version, status, source, settings, promote, revision, created_at, updated_at
)
SELECT :id, :project_id, coalesce(max(version), 0) + 1, :status, :source, :settings,
:promote, :revision, :created_at, :created_at
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

-- transition_deployment --
UPDATE deployments SET status = :status, reason = :reason, reason_code = :reason_code,
updated_at = :now,
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
