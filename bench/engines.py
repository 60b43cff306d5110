"""Engines: start to first answer, a switch under load, an upload as image, and a lost machine.

`python -m bench.engines`, as root, with Docker and a registry installed: it starts engines of its
own, two of them as two machines in network namespaces. The floor is the process engine.
"""

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
from anyio import to_thread

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.engines.clusters import Cluster, python_base, two_machines
from tests.platform.engines.test_images import deploy, image_project
from tests.platform.engines.test_swarm import APP, nodes_of, scale
from tests.platform.platforms import Api, read_page, running_platform

ROUNDS, CLIENTS, REPLICAS = 5, 32, 3
LOST_WITHIN_S = 20.0
CHANGED = APP.replace("began", "began again")


def settings_of(cluster: Cluster, base: str) -> dict[str, Json]:
    """What lets a platform run its apps on the machines of a cluster."""
    return {
        "docker_host": cluster.manager.host,
        "engine": "swarm",
        "registry": f"{cluster.registry}/apps",
        "base_images": (f"python={base}",),
    }


@asynccontextmanager
async def asking(address: str, clients: int) -> AsyncIterator[Counter[int]]:
    """Statuses of what clients get that ask all the time; 0 where there was no answer."""
    statuses: Counter[int] = Counter()

    async def keep_asking() -> None:
        async with httpx2.AsyncClient(timeout=30) as client:
            while True:
                try:
                    statuses[(await client.get(address)).status_code] += 1
                except httpx2.HTTPError:
                    statuses[0] += 1

    async with anyio.create_task_group() as visits:
        for _ in range(clients):
            visits.start_soon(keep_asking)
        yield statuses
        visits.cancel_scope.cancel()


async def first_answers(api: Api, project_id: str) -> float:
    """Seconds from a start to the first answer, the median."""
    production = await api.environment(project_id)
    path = f"/v1/projects/{project_id}/environments/{production['id']}"
    address: str = production["extra"]["endpoint"]
    found = []
    for _ in range(ROUNDS):
        await api.request("POST", f"{path}/stop")
        await eventually(lambda: read_page(address), lambda page: "was stopped" in page)
        began = time.perf_counter()
        await api.request("POST", f"{path}/restart")
        await eventually(lambda: read_page(address), lambda page: "was stopped" not in page)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


async def uploads(api: Api, name: str) -> tuple[str, list[float]]:
    """The project, and the seconds of its first deployment and of one with a changed file."""
    project_id = await api.create_project(name)
    took = []
    for source in (APP, CHANGED):
        began = time.perf_counter()
        deployment = await api.wait(project_id, await api.upload(project_id, {"main.py": source}))
        took.append(time.perf_counter() - began)
        if deployment["status"] != "deployed":
            raise RuntimeError(await api.build_log(deployment))
    return project_id, took


async def measure_processes(root: Path) -> None:
    """The floor: files as processes of this machine."""
    async with running_platform(root) as api:
        project_id, (first, changed) = await uploads(api, "by-process")
        print(f"upload, processes    {first:6.2f} s, changed {changed:6.2f} s")
        print(f"start, processes     {await first_answers(api, project_id):6.2f} s")


async def measure_swarm(cluster: Cluster, base: str, root: Path) -> tuple[str, bool]:
    """Files as images on two machines; the image that was made, and whether all is as it should."""
    async with running_platform(root, **settings_of(cluster, base)) as api:
        project_id, (first, changed) = await uploads(api, "by-swarm")
        print(f"upload, swarm        {first:6.2f} s, changed {changed:6.2f} s")
        print(f"start, swarm         {await first_answers(api, project_id):6.2f} s")
        address = await scale(api, project_id, REPLICAS)
        async with asking(address, CLIENTS) as statuses:
            await anyio.sleep(1)
            again = await api.wait(project_id, await api.upload(project_id, {"main.py": APP}))
            await anyio.sleep(1)
        errors = statuses.total() - statuses[200]
        print(f"switch, swarm        {statuses.total():6} requests, {errors} errors")
        async with asking(address, CLIENTS // 2) as lost:
            await anyio.sleep(1)
            cluster.cut()
            began = time.perf_counter()
            await eventually(lambda: nodes_of(api), lambda nodes: nodes == ["manager"] * REPLICAS)
            took_s = time.perf_counter() - began
        cluster.mend()
        failed = lost.total() - lost[200]
        print(f"lost machine         {took_s:6.1f} s until all replicas serve again")
        print(f"... meanwhile        {lost.total():6} requests, {failed} errors")
        return again["artifactImage"], not errors and not failed and took_s < LOST_WITHIN_S


async def measure_containers(cluster: Cluster, image: str, root: Path) -> None:
    """The same image in containers of one machine."""
    async with running_platform(root, docker_host=cluster.manager.host) as api:
        project_id = await image_project(api)
        await deploy(api, project_id, image)
        print(f"start, containers    {await first_answers(api, project_id):6.2f} s")


async def run() -> bool:
    """Print all of it; whether no request failed, and a lost machine was done without in time."""
    with tempfile.TemporaryDirectory(prefix="engines-") as directory:
        root = Path(directory)
        await measure_processes(root / "processes")
        with two_machines(root / "two", root / "images") as cluster:
            base = await to_thread.run_sync(python_base, cluster)
            image, is_good = await measure_swarm(cluster, base, root / "swarm")
            await measure_containers(cluster, image, root / "containers")
    return is_good


if __name__ == "__main__":
    sys.exit(0 if anyio.run(run) else 1)
