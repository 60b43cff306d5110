-- A role that was renewed stays as long as a replica set that began with it: the newest one of its
-- environment at that time. A set that starts again takes the new role.
ALTER TABLE unbound_roles ADD COLUMN environment_id TEXT;
ALTER TABLE unbound_roles ADD COLUMN newest_set TEXT;
DROP TRIGGER forget_former_role;
CREATE TRIGGER forget_former_role AFTER UPDATE OF role ON service_bindings BEGIN
INSERT OR IGNORE INTO unbound_roles VALUES (
    old.service_id, old.role, old.environment_id,
    (SELECT max(created_at) FROM replica_sets WHERE environment_id = old.environment_id)
);
END;
DROP TRIGGER forget_role;
CREATE TRIGGER forget_role AFTER DELETE ON service_bindings BEGIN
INSERT OR IGNORE INTO unbound_roles (service_id, role) VALUES (old.service_id, old.role);
UPDATE unbound_roles SET environment_id = NULL
WHERE service_id = old.service_id AND environment_id = old.environment_id;
END;
