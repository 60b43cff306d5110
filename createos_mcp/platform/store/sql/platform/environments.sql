-- add_environment --
INSERT INTO environments (
    id, project_id, unique_name, display_name, description, branch, status,
    is_auto_promote_enabled, is_preview, resources, settings, host, created_at, updated_at
) VALUES (
    :id, :project_id, :unique_name, :display_name, :description, :branch, 'active',
    :is_auto_promote_enabled, :is_preview, :resources, :settings, :host, :created_at, :created_at
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

-- set_environment_deployment --
-- What was wanted is reached, unless something else is wanted by now.
UPDATE environments SET deployment_id = :deployment_id, is_stopped = 0, message = NULL,
updated_at = :now,
next_deployment_id = nullif(next_deployment_id, :deployment_id) WHERE id = :id;

-- set_environment_stopped --
UPDATE environments SET is_stopped = :is_stopped, updated_at = :now WHERE id = :id;

-- clear_environment_deployment --
UPDATE environments SET deployment_id = NULL, updated_at = :now WHERE id = :id;

-- set_next_deployment --
UPDATE environments SET next_deployment_id = :deployment_id, status = 'promoting',
message = NULL, updated_at = :now WHERE id = :id;

-- abandon_next_deployment --
UPDATE environments SET next_deployment_id = NULL, message = :message, updated_at = :now
WHERE id = :id AND next_deployment_id = :deployment_id;

-- set_environment_resources --
UPDATE environments SET resources = :resources, message = NULL, updated_at = :now,
status = CASE status WHEN 'active' THEN 'resizing' ELSE status END WHERE id = :id;

-- reset_environment_resources --
-- Only as long as nobody has asked for others meanwhile.
UPDATE environments SET resources = :resources, message = :message, updated_at = :now
WHERE id = :id AND resources = :refused;

-- mark_environment_active --
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
