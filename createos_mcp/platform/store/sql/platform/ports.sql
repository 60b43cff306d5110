-- port_of --
SELECT port FROM ports WHERE owner_id = :owner_id;

-- ports_in_use --
SELECT port FROM ports;

-- claim_port --
INSERT INTO ports VALUES (:port, :owner_id)
ON CONFLICT (owner_id) DO UPDATE SET port = excluded.port;

-- release_port --
DELETE FROM ports WHERE owner_id = :owner_id;
