-- transfer_by_token --
SELECT * FROM transfers WHERE token_id = :token_id;

-- add_transfer --
INSERT INTO transfers VALUES (
    :id, :token_id, :project_id, :from_user_id, :to_user_id, :created_at
);

-- transfers --
SELECT * FROM transfers WHERE project_id = :project_id ORDER BY rowid DESC;
