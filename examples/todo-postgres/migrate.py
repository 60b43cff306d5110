"""Runs once before a version takes over, as the Procfile says."""

import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as db:
    db.execute("create table if not exists todo (id serial primary key, text text not null)")
