"""Engines that are not there, go away, and come back; platforms that are killed."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import read_state
from tests.eventually import eventually
from tests.platform.engines.daemons import DockerDaemon, docker_daemon, image_registry
from tests.platform.engines.test_images import (
    LASTING,
    PAGES,
    address_of,
    deploy,
    image_project,
    replica_at,
)
from tests.platform.platforms import read_page, running_platform, started_platform


async def test_without_an_engine_nothing_is_made_and_the_answer_says_what_to_install(
    tmp_path: Path,
) -> None:
    nowhere = f"unix://{tmp_path / 'nothing.sock'}"
    async with running_platform(tmp_path / "data", docker_host=nowhere) as api:
        project = {"uniqueName": "image-app", "displayName": "image-app", "type": "image"}
        status, sentence = await api.request(
            "POST", "/v1/projects", json={**project, "settings": {"port": 80}}
        )
        listed = await api.client.get("/v1/projects")
        told = (await api.get("/status"))["engine"]
    assert status == 422
    assert "Install Docker" in told["missing"]
    assert "Install Docker" in sentence
    assert listed.json()["data"]["data"] == []


async def test_an_upload_project_takes_no_image(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        path = f"/v1/projects/{project_id}/deployments"
        status, sentence = await api.request("POST", path, json={"image": "nginx"})
    assert (status, "only be deployed to an image project" in sentence) == (422, True)


@pytest.mark.engines
async def test_an_engine_that_is_killed_ends_nothing_and_is_found_again(tmp_path: Path) -> None:
    directory = Path(f"/tmp/createos-away-{os.getpid()}")
    with image_registry(tmp_path / "registry") as registry, docker_daemon(directory) as engine:
        reference = f"{registry}/pages:1"
        engine.publish(reference, PAGES, "EXPOSE 8080", command=LASTING)
        async with running_platform(tmp_path / "data", docker_host=engine.host) as api:
            project_id = await image_project(api)
            deployment = await deploy(api, project_id, reference)
            address = await address_of(api, project_id)
            before = await replica_at(address)
            await anyio.to_thread.run_sync(engine.stop, signal.SIGKILL)
            for _ in range(10):
                assert await read_page(address) == "one"
                await anyio.sleep(0.2)
            path = f"/v1/projects/{project_id}/deployments/{deployment['id']}"
            assert (await api.get(path))["status"] == "deployed"
            await anyio.to_thread.run_sync(engine.start)
            assert await replica_at(address) == before
            await read_page(f"{address}/cgi-bin/exit?3")
            row = await eventually(
                lambda: api.environment(project_id), lambda row: row["extra"].get("restarts")
            )
            assert "exited with code 3" in row["extra"]["lastExit"]["reason"]


DIES_AT_TIMES = """\
#!/bin/sh
# Ends the first process that runc made before it is started, but not every time.
case " $* " in *" start "*)
    echo >> "$0.starts"
    case "$(wc -l < "$0.starts")" in 1 | 2 | 4)
        runc $(echo "$*" | sed 's/ start / kill /') KILL ;;
    esac ;;
esac
exec runc "$@"
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """What containers are started with that are lost at times."""
    path = tmp_path / "runtime"
    path.write_text(DIES_AT_TIMES)
    path.chmod(0o755)
    return path


def starts(runtime: Path) -> int:
    return Path(f"{runtime}.starts").read_text().count("\n")


@pytest.mark.engines
async def test_a_container_that_dies_before_its_start_is_started_again(runtime: Path) -> None:
    directory = Path(f"/tmp/createos-dying-{os.getpid()}")
    with docker_daemon(directory, runtime=runtime) as engine:
        engine.make_image("pages:1", PAGES)
        container = engine.docker("create", "pages:1")
        async with DockerApi(engine.host) as api:
            await api.start_container(container)
        assert engine.docker("inspect", "--format", "{{.State.Running}}", container) == "true"
    assert starts(runtime) == 3


@pytest.mark.engines
async def test_a_swarm_starts_again_what_died_before_its_start(
    runtime: Path, registry: str, tmp_path: Path
) -> None:
    directory = Path(f"/tmp/createos-dying-{os.getpid()}")
    with docker_daemon(directory, live_restore=False, runtime=runtime) as engine:
        engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        reference = f"{registry}/dying:1"
        engine.publish(reference, PAGES, "EXPOSE 8080", command=LASTING)
        async with running_platform(
            tmp_path / "data", docker_host=engine.host, engine="swarm"
        ) as api:
            project_id = await image_project(api)
            await deploy(api, project_id, reference)
            assert await read_page(await address_of(api, project_id)) == "one"
    # Of the anchor three, and of the app two.
    assert starts(runtime) == 5


@pytest.mark.engines
async def test_a_platform_that_is_killed_finds_its_containers_again(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/lasting:1"
    engine.publish(reference, PAGES, "EXPOSE 8080", command=LASTING)
    config = PlatformConfig(data_dir=DataDir(tmp_path), docker_host=engine.host)
    try:
        async with started_platform(config) as (api, pid):
            project_id = await image_project(api)
            await deploy(api, project_id, reference)
            address = await address_of(api, project_id)
            before = await replica_at(address)
            os.kill(pid, signal.SIGKILL)
            running = read_state(config.data_dir.state_file)
            assert running is not None
            await anyio.to_thread.run_sync(daemon.start_platform, config, os.environ)
            after = await eventually(lambda: replica_at(address))
    finally:
        await anyio.to_thread.run_sync(daemon.stop_platform, config)
    assert after == before
    assert engine.docker("ps", "--all", "--quiet") == ""
