-- Who may pull from a registry: a user for all their projects, or one project; secrets are sealed.
CREATE TABLE registry_credentials (
    registry TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    username TEXT NOT NULL,
    secret TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX registry_credentials_of ON registry_credentials (
    registry, user_id, coalesce(project_id, '')
);
