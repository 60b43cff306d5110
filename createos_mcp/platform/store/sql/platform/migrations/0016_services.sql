-- Databases and caches of users, what may use them, and their backups.
CREATE TABLE services (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    memory_mb INTEGER NOT NULL,
    cpu_millicores INTEGER NOT NULL,
    size_mb INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    secret TEXT NOT NULL,
    app_id TEXT REFERENCES groups (id) ON DELETE SET NULL,
    instance TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (user_id, name)
) STRICT;
CREATE TABLE service_bindings (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    variable TEXT NOT NULL,
    role TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (environment_id, variable)
) STRICT;
-- Roles of bindings that are gone, until the service has forgotten them, too.
CREATE TABLE unbound_roles (
    service_id TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (service_id, role)
) STRICT;
CREATE TRIGGER forget_role AFTER DELETE ON service_bindings BEGIN
INSERT OR IGNORE INTO unbound_roles VALUES (old.service_id, old.role);
END;
CREATE TRIGGER forget_former_role AFTER UPDATE OF role ON service_bindings BEGIN
INSERT OR IGNORE INTO unbound_roles VALUES (old.service_id, old.role);
END;
-- A project that goes to another user leaves the services of the one before.
CREATE TRIGGER leave_services AFTER UPDATE OF user_id ON projects
WHEN old.user_id <> new.user_id BEGIN
DELETE FROM service_bindings
WHERE environment_id IN (SELECT id FROM environments WHERE project_id = new.id);
END;
CREATE TABLE service_backups (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    cause TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
