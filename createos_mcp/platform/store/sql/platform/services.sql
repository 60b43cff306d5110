-- add_service --
INSERT INTO services (
    id, user_id, name, kind, version, memory_mb, cpu_millicores, size_mb, status, secret, image,
    package, preview_of, created_at, updated_at
) VALUES (
    :id, :user_id, :name, :kind, :version, :memory_mb, :cpu_millicores, :size_mb, 'starting',
    :secret, :image, :package, :preview_of, :now, :now
);

-- service --
SELECT * FROM services WHERE id = :id;

-- service_named --
SELECT * FROM services WHERE user_id = :user_id AND name = :name;

-- services_of --
SELECT * FROM services WHERE user_id = :user_id ORDER BY created_at, serial;

-- all_services --
SELECT * FROM services ORDER BY serial;

-- services_in_app --
SELECT * FROM services WHERE app_id = :app_id ORDER BY created_at, serial;

-- set_service_status --
UPDATE services SET status = :status, reason = :reason, updated_at = :now WHERE id = :id;

-- set_service_instance --
UPDATE services SET instance = :instance WHERE id = :id;

-- set_service_package --
UPDATE services SET package = :package WHERE id = :id;

-- set_service_resources --
UPDATE services SET memory_mb = :memory_mb, cpu_millicores = :cpu_millicores,
size_mb = :size_mb, updated_at = :now WHERE id = :id;

-- group_service --
UPDATE services SET app_id = :app_id, updated_at = :now WHERE id = :id;

-- remove_service --
DELETE FROM services WHERE id = :id;

-- add_binding --
INSERT INTO service_bindings VALUES (
    :id, :service_id, :environment_id, :variable, :role, :secret, :now
);

-- binding --
SELECT * FROM service_bindings WHERE id = :id;

-- binding_under --
SELECT * FROM service_bindings WHERE environment_id = :environment_id AND variable = :variable;

-- bindings_of_service --
SELECT
    service_bindings.*, environments.project_id, environments.unique_name AS environment,
    projects.unique_name AS project
FROM service_bindings
JOIN environments ON environments.id = service_bindings.environment_id
JOIN projects ON projects.id = environments.project_id
WHERE service_id = :service_id ORDER BY service_bindings.created_at;

-- bindings_of_environment --
SELECT * FROM service_bindings WHERE environment_id = :environment_id ORDER BY created_at;

-- bindings_of_project --
SELECT service_bindings.* FROM service_bindings
JOIN environments ON environments.id = service_bindings.environment_id
WHERE environments.project_id = :project_id;

-- set_binding_role --
UPDATE service_bindings SET role = :role, secret = :secret WHERE id = :id;

-- remove_binding --
DELETE FROM service_bindings WHERE id = :id;

-- unbound_roles --
SELECT service_id, role FROM unbound_roles
WHERE NOT EXISTS (
    SELECT 1 FROM replica_sets
    WHERE replica_sets.environment_id = unbound_roles.environment_id
    AND replica_sets.created_at <= unbound_roles.newest_set
);

-- release_roles --
UPDATE unbound_roles SET environment_id = NULL
WHERE service_id = :service_id AND environment_id = :environment_id;

-- forget_unbound_role --
DELETE FROM unbound_roles WHERE service_id = :service_id AND role = :role;

-- add_backup --
INSERT INTO service_backups VALUES (:id, :service_id, :cause, :size_bytes, :now);

-- backup --
SELECT * FROM service_backups WHERE id = :id;

-- backups_of --
SELECT * FROM service_backups WHERE service_id = :service_id ORDER BY created_at DESC;

-- remove_backup --
DELETE FROM service_backups WHERE id = :id;
