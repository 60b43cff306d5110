-- In a file of its own: counts of requests, by second and, when those are old, by minute.
CREATE TABLE traffic_seconds (
    environment_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    path TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (environment_id, at, status, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE traffic_minutes (
    environment_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    path TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (environment_id, at, status, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX traffic_seconds_by_time ON traffic_seconds (at);
CREATE INDEX traffic_minutes_by_time ON traffic_minutes (at);
CREATE VIEW traffic AS
    SELECT * FROM traffic_seconds UNION ALL SELECT * FROM traffic_minutes;
