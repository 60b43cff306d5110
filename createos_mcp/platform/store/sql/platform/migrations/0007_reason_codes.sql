-- Why a deployment is in its state, for programs; reason is the sentence for people.
ALTER TABLE deployments ADD COLUMN reason_code TEXT;
