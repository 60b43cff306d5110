-- begin_scan --
INSERT INTO scans VALUES (
    :deployment_id, :id, 'pending', NULL, NULL, :expires_at, :now, :now
) ON CONFLICT (deployment_id) DO UPDATE SET status = 'pending', report = NULL,
failed_reason = NULL, expires_at = :expires_at, updated_at = :now;

-- scan --
SELECT * FROM scans WHERE deployment_id = :deployment_id;

-- unfinished_scans --
SELECT * FROM scans WHERE status IN ('pending', 'in_progress') ORDER BY updated_at;

-- set_scan --
UPDATE scans SET status = :status, report = :report, failed_reason = :failed_reason,
updated_at = :now WHERE deployment_id = :deployment_id;
