-- The GitHub App of this machine, if it has one; what is secret of it is sealed.
CREATE TABLE github_app (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    app_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    api_url TEXT NOT NULL,
    git_url TEXT NOT NULL,
    secret TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
