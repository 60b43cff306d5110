-- Whether an environment stays without an app until someone starts it.
ALTER TABLE environments ADD COLUMN is_stopped INTEGER NOT NULL DEFAULT 0;
