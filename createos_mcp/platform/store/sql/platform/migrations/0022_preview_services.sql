ALTER TABLE services ADD COLUMN preview_of TEXT;
