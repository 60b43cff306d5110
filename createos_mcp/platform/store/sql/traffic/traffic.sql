-- check_traffic --
PRAGMA quick_check(1);

-- count_traffic --
INSERT INTO traffic_seconds (environment_id, at, status, path, count)
VALUES (:environment_id, :at, :status, :path, :count)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- roll_traffic --
INSERT INTO traffic_minutes (environment_id, at, status, path, count)
SELECT environment_id, at / 60 * 60, status, path, sum(count) FROM traffic_seconds
WHERE at < :before GROUP BY environment_id, at / 60, status, path
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- forget_traffic_seconds --
DELETE FROM traffic_seconds WHERE at < :before;

-- forget_traffic_minutes --
DELETE FROM traffic_minutes WHERE at < :before;

-- traffic_patterns --
SELECT DISTINCT environment_id, path FROM traffic WHERE at >= :since;

-- traffic_statuses --
SELECT status, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY status ORDER BY count DESC, status;

-- traffic_peak --
SELECT coalesce(max(count), 0) AS count FROM (
    SELECT sum(count) AS count FROM traffic
    WHERE environment_id = :environment_id AND at BETWEEN :start AND :end GROUP BY at / 60
);

-- traffic_paths --
SELECT path, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY path ORDER BY count DESC, path LIMIT :limit;

-- traffic_error_paths --
SELECT path, status, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end AND status >= 400
GROUP BY path, status ORDER BY count DESC, path, status LIMIT :limit;

-- traffic_points --
SELECT at / :width_s * :width_s AS began, status / 100 AS class, sum(count) AS count FROM traffic
WHERE environment_id = :environment_id AND at BETWEEN :start AND :end
GROUP BY began, class ORDER BY began;
