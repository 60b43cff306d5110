CREATE TABLE cronjobs (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    schedule TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    suspended_at TEXT,
    over_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX cronjobs_by_project ON cronjobs (project_id);
CREATE INDEX cronjobs_by_environment ON cronjobs (environment_id);
-- The number tells the order of runs, also when the clock was wrong; a moment is run once.
CREATE TABLE cronjob_activities (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    cronjob_id TEXT NOT NULL REFERENCES cronjobs (id) ON DELETE CASCADE,
    scheduled_at TEXT NOT NULL,
    success INTEGER,
    status_code INTEGER,
    log TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (cronjob_id, scheduled_at)
) STRICT;
CREATE INDEX cronjob_activities_unfinished ON cronjob_activities (cronjob_id) WHERE success IS NULL;
