"""Clients of each language, through the variables of a binding, untouched."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.platform.platforms import running_platform
from tests.platform.services.databases import create_service, deploy_bound, page_of, post

pytestmark = pytest.mark.examples

NODE_PG = {
    "package.json": '{"name": "a", "type": "module", "dependencies": {"pg": "^8"},'
    ' "scripts": {"start": "node index.js"}}',
    "index.js": """
import { createServer } from "node:http";
import pg from "pg";
const pools = ["DATABASE_URL", "DATABASE_URL_SOCKET"].map(
  (name) => new pg.Pool({ connectionString: process.env[name] }));
// As https://devcenter.heroku.com/articles/connecting-heroku-postgres demands it, and in earnest.
for (const ssl of [{ rejectUnauthorized: false }, true])
  pools.push(new pg.Pool({ connectionString: process.env.DATABASE_URL, ssl }));
createServer(async (_, answer) => {
  const rows = await Promise.all(pools.map((pool) => pool.query("select 40 + 2 as answer")));
  answer.end(rows.map((row) => row.rows[0].answer).join(" "));
}).listen(process.env.PORT);
""",
}

GO_PQ = {
    "go.mod": "module example.com/a\n\ngo 1.22\n\nrequire github.com/lib/pq v1.10.9\n",
    "go.sum": "github.com/lib/pq v1.10.9 h1:YXG7RB+JIjhP29X+OtkiDnYaXQwpS4JEWq7dtCCRUEw=\n"
    "github.com/lib/pq v1.10.9/go.mod h1:AlVN5x4E4T544tWzH6hKfbfQvm3HdbOxrmggDNAPY9o=\n",
    "main.go": """package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"

	_ "github.com/lib/pq"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		url := os.Getenv("DATABASE_URL")
		overTls, socketUrl := url+"?sslmode=require", os.Getenv("DATABASE_URL_SOCKET")
		for _, url := range []string{url, socketUrl, overTls} {
			db, err := sql.Open("postgres", url)
			if err != nil {
				fmt.Fprint(w, err)
				return
			}
			var answer int
			err = db.QueryRow("select 40 + 2").Scan(&answer)
			db.Close()
			fmt.Fprint(w, answer, " ", err, ";")
		}
	})
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
""",
}

ANSWER = """
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
"""How a handler's method goes on that has a body."""

PYTHON = {
    "requirements.txt": "psycopg[binary]\nasyncpg\nsqlalchemy\npg8000\n",
    "Procfile": "web: python app.py\n",
    "app.py": """
import asyncio, http.server, os
import asyncpg, psycopg, sqlalchemy
url, socket_url = os.environ["DATABASE_URL"], os.environ["DATABASE_URL_SOCKET"]
def answers():
    for one in (url, socket_url):
        with psycopg.connect(one) as db:
            yield db.execute("select 40 + 2").fetchone()[0]
        async def ask():
            db = await asyncpg.connect(one)
            try:
                return await db.fetchval("select 40 + 2")
            finally:
                await db.close()
        yield asyncio.run(ask())
        engine = sqlalchemy.create_engine(one.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as db:
            yield db.execute(sqlalchemy.text("select 40 + 2")).scalar_one()
    trust = {"sslmode": "verify-full", "sslrootcert": "/services/certificate.pem"}
    with psycopg.connect(url, **trust) as db:
        yield db.execute("select 40 + 2").fetchone()[0]
    async def ask():
        db = await asyncpg.connect(url, ssl="require")
        try:
            return await db.fetchval("select 40 + 2")
        finally:
            await db.close()
    yield asyncio.run(ask())
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+pg8000:"))
    with engine.connect() as db:
        yield db.execute(sqlalchemy.text("select 40 + 2")).scalar_one()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = " ".join(map(str, answers())).encode()
"""
    + ANSWER,
}

PYTHON_REDIS = {
    "requirements.txt": "redis\n",
    "Procfile": "web: python app.py\n",
    "app.py": """
import http.server, os, redis
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = []
        for name in ("REDIS_URL", "REDIS_URL_SOCKET"):
            client = redis.Redis.from_url(os.environ[name])
            client.set("answer", 42)
            told.append(client.get("answer").decode())
            try:
                client.config_get("*")
                told.append("configured")
            except redis.exceptions.NoPermissionError:
                told.append("refused")
        body = " ".join(told).encode()
"""
    + ANSWER,
}

NODE_REDIS = {
    "package.json": '{"name": "a", "type": "module", "dependencies": {"ioredis": "^5"},'
    ' "scripts": {"start": "node index.js"}}',
    "index.js": """
import { createServer } from "node:http";
import Redis from "ioredis";
const url = process.env.REDIS_URL;
const clients = [new Redis(url), new Redis(url, { tls: { rejectUnauthorized: false } })];
createServer(async (_, answer) => {
  const told = await Promise.all(clients.map((client) => client.incrby("answer", 21)));
  answer.end(told.sort().join(" "));
}).listen(process.env.PORT);
""",
}

CASES: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "node, pg": ("postgres", NODE_PG, "42 42 42 42"),
    "go, lib/pq": ("postgres", GO_PQ, "42 <nil>;42 <nil>;42 <nil>;"),
    "python, psycopg, asyncpg, SQLAlchemy, pg8000": ("postgres", PYTHON, " ".join(["42"] * 9)),
    "node, ioredis": ("valkey", NODE_REDIS, "21 42"),
    "python, redis-py": ("valkey", PYTHON_REDIS, "42 refused 42 refused"),
}


@pytest.mark.parametrize(("kind", "files", "expected"), CASES.values(), ids=CASES)
async def test_a_client_is_answered(
    kind: str, files: Mapping[str, str], expected: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, kind)
        deployed = await deploy_bound(api, files, service_id, "client-app")
        assert await page_of(api, deployed) == expected


HANDED_OVER = {
    "requirements.txt": "psycopg[binary]\n",
    "Procfile": "web: python app.py\n",
    "app.py": """
import http.server, os, psycopg
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ports = []
        for name in ("DATABASE_URL", "DATABASE_URL_SOCKET"):
            with psycopg.connect(os.environ[name]) as db:
                ports.append(db.execute("select inet_server_port()").fetchone()[0])
        body = str(ports).encode()
"""
    + ANSWER,
}


async def test_postgres_itself_has_the_connections_of_an_apps_port(tmp_path: Path) -> None:
    """A relay would come to it over a socket, and have no port."""
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "postgres")
        deployed = await deploy_bound(api, HANDED_OVER, service_id, "client-app")
        assert await page_of(api, deployed) == "[5432, None]"
        await post(api, f"/v1/services/{service_id}/restart")
        assert await page_of(api, deployed) == "[5432, None]"
