-- Where a deployment goes by itself: an environment's id, `none`, or NULL for the environments' own rule.
ALTER TABLE deployments ADD COLUMN promote TEXT;
