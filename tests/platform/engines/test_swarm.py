"""Apps on the machines of a swarm, of which one is cut off."""

import os
import shutil
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.copies import read_copy
from createos_mcp.platform.engines.firewall import WAY_OUT
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.engines.clusters import Cluster, python_base, two_machines
from tests.platform.engines.daemons import DockerDaemon
from tests.platform.engines.test_images import (
    HARDENING,
    LASTING,
    PAGES,
    address_of,
    deploy,
    image_project,
    reaches,
    without_rules,
)
from tests.platform.platforms import Api, read_page, running_platform, started_platform
from tests.platform.services.test_volumes import DATA, set_volumes

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


REACHING = APP.replace(
    "        page = f",
    """        import urllib.request
        if self.path != "/":
            try:
                answer = urllib.request.urlopen("http:/" + self.path, timeout=3)
                os.environ["GREETING"] = f"got {answer.status}"
            except OSError:
                os.environ["GREETING"] = "got nothing"
        page = f""",
)
KEEPING = APP.replace(
    "        page = f",
    """        with open("/data/visits", "a+") as visits:
            visits.write("x")
            os.environ["GREETING"] = f"visit {visits.tell()}"
        page = f""",
)
PORT_OF = "{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{println .}}{{end}}"


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
    assert cluster.manager.docker("network", "ls", "--quiet", "--filter", "name=createos") == ""
    assert cluster.manager.docker("ps", "--all", "--quiet") == ""


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


async def test_an_image_and_what_a_release_runs_first_are_run_there_too(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    reference = f"{cluster.registry}/own:1"
    cluster.manager.publish(reference, {"www/index.html": "by image"})
    files = {"main.py": APP, "Procfile": "web: python main.py\nrelease: echo $GREETING first\n"}
    async with platform_on(cluster, base, tmp_path) as api:
        prepared = await api.deploy(files, runEnvs={"GREETING": "good-day"})
        log = await api.build_log(prepared)
        assert prepared["status"] == "deployed", log
        project_id = await image_project(api)
        of_image = await deploy(api, project_id, reference)
        assert of_image["status"] == "deployed", await api.build_log(of_image)
        assert await read_page(await address_of(api, project_id)) == "by image"
    assert "good-day first" in log.splitlines()


async def test_environments_do_not_reach_one_another(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    async with platform_on(cluster, base, tmp_path) as api:
        reaching = await api.deploy({"main.py": REACHING}, "reaching")
        reached = await api.deploy({"main.py": APP}, "reached")
        assert (reaching["status"], reached["status"]) == ("deployed", "deployed")
        address = await address_of(api, reaching["projectId"])
        own = await read_page(f"{address}/{place_of(cluster, reaching)}/")
        other = await read_page(f"{address}/{place_of(cluster, reached)}/")
    assert "got 200" in own
    assert "got nothing" in other


async def test_a_replica_that_uses_what_is_here_runs_here(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    async with platform_on(cluster, base, tmp_path) as api:
        project_id = await api.create_project()
        assert (await set_volumes(api, project_id, DATA))[0] == 200
        for visit in (1, 2):
            deployment = await api.wait(
                project_id, await api.upload(project_id, {"main.py": KEEPING})
            )
            assert deployment["status"] == "deployed", await api.build_log(deployment)
            assert f"visit {visit}" in await read_page(await address_of(api, project_id))
            assert await nodes_of(api) == ["manager"]


async def test_what_runs_on_a_swarm_is_confined_as_containers_are(
    swarm: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/confined:1"
    swarm.publish(reference, PAGES, "EXPOSE 8080", command=LASTING)
    async with running_platform(tmp_path, docker_host=swarm.host, engine="swarm") as api:
        deployment = await deploy(api, await image_project(api), reference)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}/commands"
        for command, shown in HARDENING.values():
            _, done = await api.request("POST", path, json={"command": command})
            assert shown in done["output"]
        shape = "{{(index .IPAM.Config 0).Gateway}}"
        machine = swarm.docker("network", "inspect", "--format", shape, WAY_OUT)
        with socket.create_server((machine, 0)) as service:
            own = f"{machine}:{service.getsockname()[1]}"
            for address in (own, "10.1.2.3:80", "169.254.169.254:80"):
                assert not await reaches(api, deployment, address), address
            with without_rules(WAY_OUT, swarm):
                assert await reaches(api, deployment, own)


async def test_without_a_swarm_or_a_registry_a_build_says_what_is_missing(
    cluster: Cluster, engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path / "a", docker_host=engine.host, engine="swarm") as api:
        failed = await api.deploy({"main.py": APP})
    assert failed["reasonCode"] == ReasonCode.NEEDS_DOCKER
    assert "docker swarm init" in failed["reason"]
    async with running_platform(
        tmp_path / "b",
        docker_host=cluster.manager.host,
        engine="swarm",
        base_images=(f"python={base}",),
    ) as api:
        failed = await api.deploy({"main.py": APP})
    assert "CREATEOS_PLATFORM_REGISTRY" in failed["reason"]


async def test_a_platform_that_is_lost_goes_on_elsewhere_with_the_apps_that_went_on_running(
    cluster: Cluster, base: str, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    config = PlatformConfig(
        data_dir=DataDir(here),
        docker_host=cluster.manager.host,
        engine="swarm",
        registry=f"{cluster.registry}/apps",
        base_images=(f"python={base}",),
        copy_to=str(tmp_path / "copy"),
    )
    async with started_platform(config) as (api, pid):
        deployment = await api.deploy({"main.py": APP})
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        address = await scale(api, deployment["projectId"], 2)
        before = await names_at(address)
        await anyio.sleep(3)
    os.kill(pid, signal.SIGKILL)
    # Nothing of it is left but the copy.
    await to_thread.run_sync(shutil.rmtree, here)
    config = replace(config, data_dir=DataDir(there))
    toolchains = Toolchains(directory=config.data_dir.toolchains, environ=os.environ)
    await read_copy(
        config.copy_to,
        None,
        config.data_dir,
        fetch=lambda package: toolchains.library(package, unheard),
        environ=os.environ,
    )
    try:
        await to_thread.run_sync(daemon.start_platform, config, os.environ)
        after = await eventually(lambda: names_at(address), lambda names: len(names) == 2)
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)
    assert after == before


async def unheard(_lines: Sequence[str]) -> None:
    return


def place_of(cluster: Cluster, deployment: Json) -> str:
    """Address and port of the one replica of a deployment, in its overlay."""
    docker, label = cluster.manager.docker, f"label=createos.deployment={deployment['id']}"
    service = docker("service", "ls", "--quiet", "--filter", label)
    task = docker("service", "ps", "--quiet", "--no-trunc", service)
    shape = "{{range .NetworksAttachments}}{{index .Addresses 0}}{{end}}"
    address = docker("inspect", "--type", "task", "--format", shape, task).partition("/")[0]
    variables = docker("service", "inspect", "--format", PORT_OF, service).splitlines()
    port = next(line.removeprefix("PORT=") for line in variables if line.startswith("PORT="))
    return f"{address}:{port}"


async def replicas_on(engine: DockerDaemon) -> str:
    return engine.docker("ps", "--all", "--quiet", "--filter", "label=createos.replica")
