-- Accounts on GitHub whose repositories a user builds from; tokens are sealed.
CREATE TABLE git_accounts (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    installation_id INTEGER NOT NULL,
    username TEXT NOT NULL,
    api_url TEXT NOT NULL,
    git_url TEXT NOT NULL,
    secret TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (user_id, installation_id)
) STRICT;
-- Set for a repository that only follows one of GitHub's: nobody pushes to it.
ALTER TABLE repositories ADD COLUMN installation_id INTEGER;
ALTER TABLE repositories ADD COLUMN remote_id TEXT;
ALTER TABLE repositories ADD COLUMN remote_name TEXT;
