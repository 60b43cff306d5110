-- keep_replaced_variables --
INSERT INTO replaced_variables (project_id, environment_id, variables, replaced_at)
VALUES (:project_id, :environment_id, :variables, :now);

-- last_replaced_variables --
SELECT variables FROM replaced_variables
WHERE project_id = :project_id AND environment_id IS :environment_id AND replaced_at >= :oldest
ORDER BY number DESC LIMIT 1;

-- forget_replaced_variables --
DELETE FROM replaced_variables WHERE replaced_at < :oldest;
