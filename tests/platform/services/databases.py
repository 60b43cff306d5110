"""Services as tests use them, and apps that are bound to one."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.platforms import Api, read_page

TODO = """
import http.server, os, psycopg

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with psycopg.connect(os.environ["DATABASE_URL"]) as db:
                if self.path.startswith("/fillx"):
                    # What an app that means harm does where nothing may be written.
                    db.execute("set default_transaction_read_only = off")
                    db.commit()
                db.execute("create table if not exists notes (id serial primary key, text text)")
                if self.path.startswith("/add/"):
                    db.execute("insert into notes (text) values (%s)", [self.path[5:]])
                if self.path.startswith("/fill"):
                    db.execute(f"create table {self.path[1:]} as select md5(n::text) from"
                               " generate_series(1, 300000) as n")
                body = ",".join(row[0] for row in db.execute("select text from notes order by id"))
            self.send_response(200)
        except Exception as error:
            body = f"{type(error).__name__}: {error}"
            self.send_response(500)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""

TODO_APP = {
    "app.py": TODO,
    "requirements.txt": "psycopg[binary]\n",
    "Procfile": "web: python app.py\n",
}
"""Keeps notes in Postgres: `/add/milk` adds one, every page lists them."""

COUNTER = """
import { createServer } from "node:http";
import Redis from "ioredis";
const redis = new Redis(process.env.REDIS_URL);
redis.on("error", () => {});
createServer(async (_, answer) => {
  try { answer.end(String(await redis.incr("visits"))); }
  catch (error) { answer.statusCode = 500; answer.end(String(error)); }
}).listen(process.env.PORT);
"""

COUNTER_APP = {
    "index.mjs": COUNTER,
    "package.json": '{"name": "counter", "dependencies": {"ioredis": "^5"},'
    ' "scripts": {"start": "node index.mjs"}}',
}
"""Counts its visits in Valkey."""

BUILD_S = 240
"""A toolchain is fetched and a driver compiled, beside other tests."""


async def create_service(api: Api, kind: str = "postgres", name: str = "main", **more: Json) -> str:
    """A service that runs; its ID."""
    body = {"name": name, "kind": kind, **more}
    status, made = await api.request("POST", "/v1/services", json=body)
    assert status == 201, made
    service_id: str = made["id"]
    service = await until(api, service_id, "running", "failed")
    assert service["status"] == "running", service["reason"]
    return service_id


async def until(api: Api, service_id: str, *statuses: str) -> Json:
    """The service once it is in one of these states."""
    return await eventually(
        lambda: api.get(f"/v1/services/{service_id}"), lambda one: one["status"] in statuses
    )


async def bind(api: Api, service_id: str, project_id: str, **more: Json) -> Json:
    """A new binding."""
    status, made = await api.request(
        "POST", f"/v1/services/{service_id}/bindings", json={"projectId": project_id, **more}
    )
    assert status == 201, made
    return made


async def post(api: Api, path: str, **body: Json) -> Json:
    """What a call that has to succeed answers."""
    status, data = await api.request("POST", path, **({"json": body} if body else {}))
    assert status < 300, data
    return data


async def deploy_bound(api: Api, files: Mapping[str, str], service_id: str, name: str) -> Json:
    """The first deployment of a new project that has a service."""
    project_id = await api.create_project(name)
    await bind(api, service_id, project_id)
    deployment_id = await api.upload(project_id, files)
    deployed = await api.wait(project_id, deployment_id, timeout_s=BUILD_S)
    assert deployed["status"] == "deployed", await api.build_log(deployed)
    return deployed


async def page_of(api: Api, deployment: Json, path: str = "") -> str:
    """What the environment answers."""
    environment = await api.environment(deployment["projectId"])
    return await read_page(f"{environment['extra']['endpoint']}{path}")


def kill_service(data_dir: Path, program: str) -> int:
    """Kill the processes of a program that work below a directory; how many there were."""
    killed = 0
    for process in psutil.process_iter(["name", "environ"]):
        home = (process.info["environ"] or {}).get("REPLICA_ID")
        if process.info["name"] == program and home and (data_dir / "run" / home).exists():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
    return killed
