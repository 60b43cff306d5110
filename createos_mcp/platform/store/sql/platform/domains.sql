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

-- active_domains --
SELECT * FROM domains WHERE status = 'active' ORDER BY created_at, id;

-- confirm_domain --
UPDATE domains SET failed_verification_count = 0, updated_at = :now
WHERE id = :id AND status = 'active' AND failed_verification_count > 0;

-- doubt_domain --
UPDATE domains SET status = :status, message = :message, last_failed_verified_at = :now,
updated_at = :now, failed_verification_count = failed_verification_count + 1
WHERE id = :id AND status = 'active';

-- assign_domain --
UPDATE domains SET environment_id = :environment_id, updated_at = :now WHERE id = :id;

-- remove_domain --
DELETE FROM domains WHERE id = :id;
