-- Variables that were replaced, kept for some days so that they can be put back.
CREATE TABLE replaced_variables (
    number INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
    variables TEXT NOT NULL,
    replaced_at TEXT NOT NULL
) STRICT;
CREATE INDEX replaced_variables_by_project ON replaced_variables (project_id, environment_id);
