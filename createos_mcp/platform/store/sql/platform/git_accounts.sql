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

-- remove_installation --
DELETE FROM git_accounts WHERE installation_id = :installation_id;

-- github_app --
SELECT * FROM github_app;

-- set_github_app --
INSERT INTO github_app VALUES (1, :app_id, :client_id, :api_url, :git_url, :secret, :now)
ON CONFLICT (only_one) DO UPDATE SET app_id = :app_id, client_id = :client_id,
api_url = :api_url, git_url = :git_url, secret = :secret, updated_at = :now;

-- remove_github_app --
DELETE FROM github_app RETURNING app_id;
