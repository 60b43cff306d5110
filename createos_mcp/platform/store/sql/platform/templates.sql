-- add_template --
INSERT INTO templates VALUES (
    :id, :user_id, :project_id, :environment_id, :name, :description, :overview, :use_cases,
    :video_url, :image_uri, :categories, :amount_cents, :status, :configurations,
    :created_at, :created_at
) ON CONFLICT (id) DO UPDATE SET name = :name, description = :description, overview = :overview,
use_cases = :use_cases, categories = :categories, configurations = :configurations;

-- template --
SELECT templates.*, users.name AS author FROM templates
LEFT JOIN users ON users.id = user_id WHERE templates.id = :id;

-- templates_of --
SELECT templates.*, users.name AS author,
(SELECT count(*) FROM templates WHERE user_id = :user_id AND status <> 'deleted') AS total
FROM templates JOIN users ON users.id = user_id
WHERE user_id = :user_id AND status <> 'deleted'
ORDER BY templates.created_at DESC, templates.id LIMIT :limit OFFSET :offset;

-- count_pending_templates --
SELECT count(*) AS total FROM templates
WHERE user_id = :user_id AND status IN ('draft', 'underReview');

-- listed_templates --
WITH matching AS (
    SELECT templates.*, users.name AS author FROM templates LEFT JOIN users ON users.id = user_id
    WHERE status = 'listed' AND (:name IS NULL OR instr(lower(templates.name), lower(:name)))
    AND (:categories IS NULL OR EXISTS (
        SELECT 1 FROM json_each(templates.categories) AS own, json_each(:categories) AS wanted
        WHERE lower(own.value) = lower(wanted.value)
    ))
)
SELECT *, (SELECT count(*) FROM matching) AS total FROM matching
ORDER BY created_at DESC, name LIMIT :limit OFFSET :offset;

-- template_counts --
SELECT category.value AS name, count(DISTINCT templates.id) AS count
FROM templates, json_each(templates.categories) AS category
WHERE status = 'listed' AND (:name IS NULL OR instr(lower(templates.name), lower(:name)))
GROUP BY lower(category.value) ORDER BY count DESC, name;

-- templates_in --
SELECT templates.*, users.name AS author FROM templates JOIN users ON users.id = user_id
WHERE status = :status ORDER BY templates.updated_at;

-- update_template --
UPDATE templates SET name = :name, description = :description, overview = :overview,
use_cases = :use_cases, video_url = :video_url, image_uri = :image_uri, categories = :categories,
amount_cents = :amount_cents, updated_at = :now WHERE id = :id;

-- set_template_status --
UPDATE templates SET status = :status, updated_at = :now WHERE id = :id;

-- add_rejection --
INSERT INTO template_rejections (template_id, reason, created_at)
VALUES (:template_id, :reason, :created_at);

-- rejections --
SELECT * FROM template_rejections WHERE template_id = :template_id ORDER BY id DESC;

-- add_purchase --
INSERT INTO template_purchases VALUES (:id, :user_id, :template_id, :amount_cents, :created_at);

-- purchase_of --
SELECT * FROM template_purchases WHERE user_id = :user_id AND template_id = :template_id;

-- purchase --
SELECT * FROM template_purchases WHERE user_id = :user_id AND id = :id;

-- purchases --
SELECT *, (SELECT count(*) FROM template_purchases WHERE user_id = :user_id) AS total
FROM template_purchases WHERE user_id = :user_id
ORDER BY created_at DESC, rowid DESC LIMIT :limit OFFSET :offset;

-- balance --
SELECT coalesce(sum(amount_cents), 0) AS cents FROM credit_entries WHERE user_id = :user_id;

-- add_credit --
INSERT INTO credit_entries (user_id, amount_cents, reason, created_at)
VALUES (:user_id, :amount_cents, :reason, :created_at);
