"""The platform itself: lists in a full one against an empty one, its memory, and time to wake."""

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import httpx2
import psutil
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir

PROJECTS = 1000
DEPLOYMENTS = 10_000
CALLS = 2000
LIST_GOAL = 1.5
APPS = 20
WAKES = 7
SLEEP_AFTER_S = 1.0
DEADLINE_S = 120.0

PAGE = """
import http.server, os
class Page(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""


@asynccontextmanager
async def platform(
    sleep_after_s: float = 0,
) -> AsyncIterator[tuple[httpx2.AsyncClient, PlatformConfig]]:
    """A platform of its own, with one project, and a client of it."""
    with tempfile.TemporaryDirectory() as directory:
        config = PlatformConfig(
            data_dir=DataDir(Path(directory, "data")), sleep_after_s=sleep_after_s
        )
        try:
            address = await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))
            async with httpx2.AsyncClient(
                base_url=address.api_url, headers={"X-Api-Key": address.api_key}, timeout=60
            ) as client:
                yield client, config
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(daemon.stop_platform, config)


async def create(client: httpx2.AsyncClient, name: str) -> str:
    """A new upload project."""
    settings = {"useBuildAI": True}
    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    answer = await client.post("/v1/projects", json={**project, "settings": settings})
    project_id: str = answer.json()["data"]["id"]
    return project_id


async def deploy(client: httpx2.AsyncClient, name: str) -> tuple[str, str]:
    """An app that runs: its project's path, and its address."""
    path = f"/v1/projects/{await create(client, name)}"
    files = [{"path": "main.py", "content": PAGE}]
    uploaded = await client.put(f"{path}/deployments/files", json={"files": files})
    deployment = f"{path}/deployments/{uploaded.json()['data']['id']}"
    await until(client, deployment, "deployed")
    (environment,) = (await client.get(f"{path}/environments")).json()["data"]
    return deployment, environment["extra"]["endpoint"]


async def until(client: httpx2.AsyncClient, deployment: str, status: str) -> None:
    """Return once a deployment is in that state."""
    with anyio.fail_after(DEADLINE_S):
        while (await client.get(deployment)).json()["data"]["status"] != status:  # noqa: ASYNC110
            await anyio.sleep(0.05)


def fill(database: Path, project_id: str) -> None:
    """Multiply the one project and give all of them deployments, in the file itself."""
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(projects)")]
        (row,) = connection.execute("SELECT * FROM projects WHERE id = ?", [project_id])
        project = dict(zip(columns, row, strict=True))
        ids = [project_id]
        for number in range(PROJECTS - 1):
            ids.append(str(uuid.uuid4()))
            values = {**project, "id": ids[-1], "unique_name": f"filled-{number}"}
            places = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO projects VALUES ({places})", [*values.values()])  # noqa: S608
        for number in range(DEPLOYMENTS):
            connection.execute(
                "INSERT INTO deployments (id, project_id, version, status, source, settings,"
                " created_at, updated_at) VALUES (?, ?, ?, 'build_error', 'files', ?, ?, ?)",
                [
                    str(uuid.uuid4()),
                    ids[number % PROJECTS],
                    number // PROJECTS + 1,
                    json.dumps({"runtime": "node:20"}),
                    project["created_at"],
                    project["created_at"],
                ],
            )


async def time_reads(clients: dict[str, tuple[httpx2.AsyncClient, str]]) -> dict[str, float]:
    """p99 in milliseconds of reading lists and one project, by platform; calls alternate."""
    samples: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(CALLS):
        for name, (client, project_id) in clients.items():
            path = ("/v1/projects?limit=20", f"/v1/projects/{project_id}")[number % 2]
            started = time.perf_counter()
            answer = await client.get(path)
            samples[name].append((time.perf_counter() - started) * 1000)
            answer.raise_for_status()
    return {name: statistics.quantiles(found, n=100)[98] for name, found in samples.items()}


async def compare_lists() -> bool:
    """Print list and get in a full platform against an empty one."""
    async with platform() as (empty, _), platform() as (full, config):
        ids = {"empty": await create(empty, "bench-one"), "full": await create(full, "bench-one")}
        await to_thread.run_sync(fill, config.data_dir.database, ids["full"])
        p99 = await time_reads({"empty": (empty, ids["empty"]), "full": (full, ids["full"])})
    ratio = p99["full"] / p99["empty"]
    print(f"list and get, p99     empty {p99['empty']:.1f} ms, full {p99['full']:.1f} ms")
    verdict = "met" if ratio <= LIST_GOAL else "MISSED"
    print(f"full against empty    {ratio:.2f}   goal at most {LIST_GOAL}: {verdict}")
    return ratio <= LIST_GOAL


async def weigh() -> None:
    """Print the platform's own memory, without its apps."""
    async with platform() as (client, config):
        state = daemon.find_running(config.data_dir)
        if state is None:
            raise RuntimeError("the platform does not run")
        process = psutil.Process(state.pid)
        before = process.memory_info().rss
        async with anyio.create_task_group() as deploys:
            for number in range(APPS):
                deploys.start_soon(deploy, client, f"bench-app-{number}")
        after = process.memory_info().rss
    print(f"memory, no app        {before / 2**20:.0f} MB")
    print(f"memory, {APPS} apps       {after / 2**20:.0f} MB")


async def time_wakes() -> None:
    """Print how long the request that meets a sleeping app takes."""
    samples = []
    async with platform(sleep_after_s=SLEEP_AFTER_S) as (client, _):
        deployment, address = await deploy(client, "bench-sleeper")
        async with httpx2.AsyncClient(timeout=60) as visitor:
            for _ in range(WAKES):
                await until(client, deployment, "sleeping")
                started = time.perf_counter()
                (await visitor.get(address)).raise_for_status()
                samples.append((time.perf_counter() - started) * 1000)
    print(f"time to wake          {statistics.median(samples):.0f} ms (the app starts in it)")


async def measure() -> bool:
    """Print all of it, and tell whether the goal is met."""
    met = await compare_lists()
    await weigh()
    await time_wakes()
    return met


def main() -> int:
    """Measure; exit code 1 when lists slow down more than the goal allows."""
    return 0 if anyio.run(measure) else 1


if __name__ == "__main__":
    sys.exit(main())
