-- The API calls a group an app.
CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT,
    color TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX groups_by_user ON groups (user_id);
CREATE INDEX projects_by_app ON projects (app_id);
CREATE TRIGGER groups_let_go AFTER DELETE ON groups
BEGIN UPDATE projects SET app_id = NULL WHERE app_id = OLD.id; END;
