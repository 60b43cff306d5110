ALTER TABLE services ADD COLUMN package TEXT;
