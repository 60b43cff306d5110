-- add_repository --
INSERT INTO repositories (user_id, name, default_branch, created_at)
VALUES (:user_id, :name, :default_branch, :created_at) RETURNING *;

-- repository --
SELECT repositories.*, users.name AS owner FROM repositories
JOIN users ON users.id = user_id WHERE repositories.id = :id;

-- repository_named --
SELECT repositories.*, users.name AS owner FROM repositories
JOIN users ON users.id = user_id WHERE user_id = :user_id AND repositories.name = :name;

-- repository_following --
SELECT repositories.*, users.name AS owner FROM repositories JOIN users ON users.id = user_id
WHERE user_id = :user_id AND installation_id = :installation_id AND remote_id = :remote_id;

-- repositories_of --
SELECT repositories.*, users.name AS owner FROM repositories
JOIN users ON users.id = user_id WHERE user_id = :user_id AND remote_id IS NULL
ORDER BY repositories.name;

-- follow_repository --
INSERT INTO repositories (
    user_id, name, default_branch, created_at, installation_id, remote_id, remote_name
) VALUES (
    :user_id, :name, :default_branch, :created_at, :installation_id, :remote_id, :remote_name
) ON CONFLICT (user_id, name) DO UPDATE SET remote_name = :remote_name,
default_branch = :default_branch;

-- all_repositories --
SELECT repositories.*, users.name AS owner FROM repositories
JOIN users ON users.id = user_id ORDER BY repositories.id;

-- set_default_branch --
UPDATE repositories SET default_branch = :default_branch WHERE id = :id;

-- remove_repository --
DELETE FROM repositories WHERE id = :id;

-- branches_of --
SELECT name, sha FROM repository_branches WHERE repository_id = :repository_id ORDER BY name;

-- set_branch --
INSERT INTO repository_branches VALUES (:repository_id, :name, :sha)
ON CONFLICT (repository_id, name) DO UPDATE SET sha = :sha;

-- remove_branch --
DELETE FROM repository_branches WHERE repository_id = :repository_id AND name = :name;

-- projects_of_repository --
SELECT * FROM projects WHERE user_id = :user_id AND type = 'vcs' AND status = 'active'
AND json_extract(source, '$.vcsInstallationId') = :installation_id
AND json_extract(source, '$.vcsRepoId') = :repository_id ORDER BY created_at;
