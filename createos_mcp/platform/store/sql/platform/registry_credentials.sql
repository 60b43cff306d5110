-- set_registry_credentials --
INSERT INTO registry_credentials (registry, user_id, project_id, username, secret, updated_at)
VALUES (:registry, :user_id, :project_id, :username, :secret, :now)
ON CONFLICT DO UPDATE SET username = excluded.username, secret = excluded.secret,
updated_at = excluded.updated_at;

-- registry_credentials_for --
SELECT username, secret FROM registry_credentials
WHERE registry = :registry AND user_id = :user_id
AND (project_id = :project_id OR project_id IS NULL)
ORDER BY project_id IS NULL LIMIT 1;

-- all_registry_credentials --
SELECT registry, users.name AS user, projects.unique_name AS project, username
FROM registry_credentials JOIN users ON users.id = registry_credentials.user_id
LEFT JOIN projects ON projects.id = project_id ORDER BY registry, user, project;

-- remove_registry_credentials --
DELETE FROM registry_credentials
WHERE registry = :registry AND user_id = :user_id AND project_id IS :project_id RETURNING 1 AS gone;
