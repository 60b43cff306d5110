-- first_user --
-- The first row written, whatever the clock said since.
SELECT * FROM users ORDER BY rowid LIMIT 1;

-- users --
SELECT * FROM users ORDER BY rowid;

-- user_named --
SELECT * FROM users WHERE name = :name COLLATE NOCASE;

-- add_user --
INSERT INTO users VALUES (:id, :name, :email, :created_at);

-- user_of_key --
-- Expiry times are written in one form, so that they compare as text.
SELECT users.* FROM users JOIN api_keys ON api_keys.user_id = users.id
WHERE secret_hash = :secret_hash AND revoked_at IS NULL
AND (expired_at IS NULL OR expired_at > :now);

-- add_key --
INSERT INTO api_keys VALUES (
    :id, :user_id, :name, :description, :secret_hash, :expired_at, NULL, :created_at, :created_at
);

-- keys --
SELECT * FROM api_keys WHERE user_id = :user_id ORDER BY created_at;

-- live_keys --
SELECT * FROM api_keys WHERE user_id = :user_id AND revoked_at IS NULL
AND (expired_at IS NULL OR expired_at > :now);

-- update_key --
UPDATE api_keys SET name = :name, description = :description, updated_at = :now WHERE id = :id;

-- revoke_key --
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now), updated_at = :now WHERE id = :id;

-- secret --
SELECT value FROM secrets WHERE name = :name;

-- add_secret --
INSERT INTO secrets VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;
