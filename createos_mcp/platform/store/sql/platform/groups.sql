-- add_group --
INSERT INTO groups VALUES (
    :id, :user_id, :name, :description, :color, :created_at, :created_at
);

-- group --
SELECT * FROM groups WHERE id = :id;

-- groups --
SELECT * FROM groups WHERE user_id = :user_id ORDER BY created_at, id;

-- update_group --
UPDATE groups SET name = :name, description = :description, color = :color, updated_at = :now
WHERE id = :id;

-- remove_group --
DELETE FROM groups WHERE id = :id;

-- group_project --
UPDATE projects SET app_id = :app_id WHERE id = :id;
