"""Retrieval for a language model: documents and their vectors in Postgres, the nearest first.

POST /documents adds `{"text": "..."}`, GET /search?q=... finds the three nearest. The vectors here
are hashed words, so that the example needs no key; put your model's in `embed`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from fastapi import FastAPI
from pydantic import BaseModel

DIMENSIONS = 256

SCHEMA = f"""
create extension if not exists vector;
create table if not exists documents (
    id serial primary key, text text not null, embedding vector({DIMENSIONS}) not null
);
create index if not exists documents_embedding on documents
using hnsw (embedding vector_cosine_ops);
"""


class Document(BaseModel):
    text: str


def embed(text: str) -> str:
    """A vector as pgvector reads it: how often each word occurs."""
    counts = [0.0] * DIMENSIONS
    for word in text.lower().split():
        counts[int(hashlib.sha256(word.encode()).hexdigest(), 16) % DIMENSIONS] += 1
    return str(counts)


@contextmanager
def connect() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        yield db


@asynccontextmanager
async def prepare(_app: FastAPI):
    with connect() as db:
        db.execute(SCHEMA)
    yield


app = FastAPI(lifespan=prepare)


@app.get("/")
def index() -> dict[str, str | int]:
    with connect() as db:
        (count,) = db.execute("select count(*) from documents").fetchone() or (0,)
    return {"about": "Retrieval with pgvector", "documents": count}


@app.post("/documents")
def add(document: Document) -> dict[str, str]:
    with connect() as db:
        db.execute(
            "insert into documents (text, embedding) values (%s, %s)",
            [document.text, embed(document.text)],
        )
    return {"added": document.text}


@app.get("/search")
def search(q: str) -> dict[str, list[str]]:
    with connect() as db:
        rows = db.execute(
            "select text from documents order by embedding <=> %s limit 3", [embed(q)]
        ).fetchall()
    return {"nearest": [text for (text,) in rows]}
