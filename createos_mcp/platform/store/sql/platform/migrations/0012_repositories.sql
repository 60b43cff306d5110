-- Git repositories that this machine hosts, and the branches of each that were looked at last.
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL COLLATE NOCASE,
    default_branch TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (user_id, name)
) STRICT;
CREATE TABLE repository_branches (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha TEXT NOT NULL,
    PRIMARY KEY (repository_id, name)
) STRICT;
-- Of a deployment that was built from a commit: branch, sha, author and message, as JSON.
ALTER TABLE deployments ADD COLUMN revision TEXT;
-- Whether an environment was made for a branch, and goes with it.
ALTER TABLE environments ADD COLUMN is_preview INTEGER NOT NULL DEFAULT 0;
