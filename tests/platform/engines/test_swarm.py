"""Apps on the machines of a swarm, of which one is cut off."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.eventually import eventually
from tests.platform.engines.clusters import Cluster, python_base, two_machines
from tests.platform.engines.daemons import DockerDaemon
from tests.platform.platforms import Api, read_page, running_platform

pytestmark = [
    pytest.mark.engines,
    # A node that was cut off may be told so by its connections only now.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

APP = """
import os, socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        page = f"{os.environ['REPLICA_ID']} {os.environ.get('GREETING', '')} {os.getuid()}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

print("began", flush=True)
ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Pages).serve_forever()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = Path("/tmp") / f"createos-two-{tmp_path_factory.getbasetemp().name}"
    with two_machines(directory, tmp_path_factory.mktemp("images")) as made:
        yield made


@pytest.fixture(scope="module")
def base(cluster: Cluster) -> str:
    return python_base(cluster)


@asynccontextmanager
async def platform_on(cluster: Cluster, base: str, root: Path) -> AsyncIterator[Api]:
    async with running_platform(
        root,
        docker_host=cluster.manager.host,
        engine="swarm",
        registry=f"{cluster.registry}/apps",
        base_images=(f"python={base}", f"static={base}"),
    ) as api:
        yield api


async def scale(api: Api, project_id: str, replicas: int) -> str:
    """The address of a project's environment, once so many replicas answer there."""
    production = await api.environment(project_id)
    path = f"/v1/projects/{project_id}/environments/{production['id']}/resources"
    wanted = {"cpu": 500, "memory": 1024, "replicas": replicas}
    status, data = await api.request("PUT", path, json=wanted)
    assert status == 200, data
    address: str = production["extra"]["endpoint"]
    await eventually(lambda: names_at(address), lambda names: len(names) == replicas)
    return address


async def names_at(address: str) -> set[str]:
    return {(await read_page(address)).partition(" ")[0] for _ in range(8)}


async def nodes_of(api: Api) -> list[str]:
    """The machines that replicas run on."""
    return sorted(node for app in (await api.get("/status"))["apps"] for node in app["nodes"])


async def test_an_upload_is_built_once_and_runs_on_both_machines(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    async with platform_on(cluster, base, tmp_path) as api:
        deployment = await api.deploy({"main.py": APP}, runEnvs={"GREETING": "good-day"})
        log = await api.build_log(deployment)
        assert deployment["status"] == "deployed", log
        address = await scale(api, deployment["projectId"], 2)
        assert (await read_page(address)).endswith("good-day 1000")
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        printed = await eventually(
            lambda: api.get(f"{path}/deployment-logs?since-seconds=600"),
            lambda text: text.count("began") == 2,
        )
        where = await nodes_of(api)
        told = (await api.get("/status"))["engine"]
    assert "Pushing" in log
    assert printed
    assert where == ["manager", "worker"]
    assert [(node["name"], node["ready"]) for node in told["nodes"]] == [
        ("manager", True),
        ("worker", True),
    ]
    for engine in (cluster.manager, cluster.worker):
        await eventually(partial(replicas_on, engine), lambda left: not left)


async def test_a_machine_that_is_cut_off_is_done_without_and_no_request_fails(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    async with platform_on(cluster, base, tmp_path) as api:
        deployment = await api.deploy({"main.py": APP})
        address = await scale(api, deployment["projectId"], 3)
        before = await nodes_of(api)
        statuses: Counter[int] = Counter()

        async def keep_asking() -> None:
            async with httpx2.AsyncClient(timeout=30) as client:
                while True:
                    statuses[(await client.get(address)).status_code] += 1

        async with anyio.create_task_group() as visits:
            for _ in range(16):
                visits.start_soon(keep_asking)
            await anyio.sleep(2)
            began = anyio.current_time()
            cluster.cut()
            try:
                await eventually(
                    lambda: nodes_of(api), lambda nodes: nodes == ["manager"] * 3, within_s=40
                )
                took_s = anyio.current_time() - began
                await anyio.sleep(2)
                visits.cancel_scope.cancel()
            finally:
                cluster.mend()
        told = await eventually(
            lambda: api.get("/status"),
            lambda page: all(node["ready"] for node in page["engine"]["nodes"]),
        )
    assert {*before} == {"manager", "worker"}
    assert [*statuses] == [200]
    assert took_s < 20
    assert told["engine"]["name"].endswith("swarm")


async def replicas_on(engine: DockerDaemon) -> str:
    return engine.docker("ps", "--all", "--quiet", "--filter", "label=createos.replica")
