-- add_replica_set --
INSERT INTO replica_sets VALUES (
    :id, :deployment_id, :environment_id, :run_envs, :port, :resources, :created_at
);

-- replica_sets --
SELECT * FROM replica_sets ORDER BY rowid;

-- remove_replica_set --
DELETE FROM replica_sets WHERE id = :id;

-- resize_replica_set --
UPDATE replica_sets SET resources = :resources WHERE id = :id;

-- add_replica --
INSERT INTO replicas VALUES (:id, :set_id, :number, NULL);

-- replicas --
SELECT * FROM replicas ORDER BY number;

-- set_instance --
UPDATE replicas SET instance = :instance WHERE id = :id;

-- remove_replica --
DELETE FROM replicas WHERE id = :id;
