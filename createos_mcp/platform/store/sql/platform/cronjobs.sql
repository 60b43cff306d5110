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

-- pass_present_moment --
-- Also of a suspended job: someone asks for this run.
UPDATE cronjobs SET over_at = max(over_at, :moment) WHERE id = :id RETURNING id;

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
