-- Templates: files and settings that one user offers to others; amounts are in cents.
CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    -- None for those that come with the platform.
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    overview TEXT NOT NULL,
    use_cases TEXT NOT NULL,
    video_url TEXT NOT NULL,
    image_uri TEXT NOT NULL,
    categories TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    status TEXT NOT NULL,
    configurations TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE template_rejections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    template_id TEXT NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE template_purchases (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    template_id TEXT NOT NULL REFERENCES templates (id),
    amount_cents INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (user_id, template_id)
) STRICT;
-- What users have to spend: entries are added, never changed; the sum is the balance.
CREATE TABLE credit_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    amount_cents INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
