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

-- change_project_status --
UPDATE projects SET status = :status, updated_at = :now WHERE id = :id AND status = :before
RETURNING id;

-- set_project_status --
UPDATE projects SET status = :status, updated_at = :now WHERE id = :id;

-- projects_in --
SELECT * FROM projects WHERE status = :status ORDER BY created_at;

-- remove_project --
DELETE FROM projects WHERE id = :id;

-- give_project --
-- An app belongs to one user, so that the project leaves its app.
UPDATE projects SET user_id = :user_id, app_id = NULL, updated_at = :now WHERE id = :id;

-- add_project_user --
INSERT OR IGNORE INTO project_users (project_id) VALUES (:project_id);

-- project_user --
SELECT serial FROM project_users WHERE project_id = :project_id;
