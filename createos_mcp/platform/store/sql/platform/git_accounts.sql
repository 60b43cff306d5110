-- set_git_account --
INSERT INTO git_accounts VALUES (
    :user_id, :installation_id, :username, :api_url, :git_url, :secret, :now
) ON CONFLICT (user_id, installation_id) DO UPDATE SET username = :username, api_url = :api_url,
git_url = :git_url, secret = :secret, updated_at = :now;

-- git_accounts_of --
SELECT * FROM git_accounts WHERE user_id = :user_id ORDER BY username;

-- remove_git_account --
DELETE FROM git_accounts WHERE user_id = :user_id AND username = :username COLLATE NOCASE
RETURNING username;
