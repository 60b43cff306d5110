"""Rootless Docker, whose images an ordinary user's platform runs."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from createos_mcp.platform.engines.docker_api import find_socket
from createos_mcp.platform.engines.engine_network import network_of
from createos_mcp.platform.engines.rootless_networks import RootlessNetworks
from tests.platform.engines.daemons import DockerDaemon, docker_daemon
from tests.platform.engines.test_image_services import add_volume
from tests.platform.engines.test_images import PAGES, deploy, image_project, reaches
from tests.platform.platforms import running_platform

pytestmark = pytest.mark.rootless

MODULE = "createos_mcp.platform.engines.rootless_networks"
DAEMON = """
import os, socket, sys, time
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listens", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """One that a test may stop."""
    directory = Path("/tmp") / f"createos-own-{tmp_path_factory.getbasetemp().name}"
    with docker_daemon(directory) as started:
        yield started


@pytest.fixture(scope="module")
def image(engine: DockerDaemon, registry: str) -> str:
    reference = f"{registry}/team/pages:1"
    engine.publish(reference, PAGES, "EXPOSE 8080")
    return reference


async def test_the_status_says_that_the_engine_is_rootless_and_what_it_does_not_limit(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    has_groups = engine.docker("info", "--format", "{{.CgroupDriver}}") != "none"
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployed = await deploy(api, await image_project(api), image)
        told = (await api.get("/status"))["engine"]
    assert told["name"].endswith(", rootless")
    assert deployed["extra"]["limits"] == ("cgroup" if has_groups else "none")


async def test_a_daemon_that_begins_anew_is_closed_off_again(
    own_engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/team/closed:1"
    own_engine.publish(reference, PAGES, "EXPOSE 8080", "USER 1000:1000")
    async with running_platform(tmp_path, docker_host=own_engine.host) as api:
        project_id = await image_project(api)
        await deploy(api, project_id, reference)
        own_engine.stop()
        own_engine.start()
        deployed = await deploy(api, project_id, reference)
        assert deployed["status"] == "deployed", await api.build_log(deployed)
        assert not await reaches(api, deployed, "10.1.2.3:80")
        prefix = network_of(own_engine.host).prefix
        shown = subprocess.run(
            [*prefix, "/usr/sbin/iptables", "-S"], capture_output=True, text=True, check=True
        ).stdout
    assert "-d 10.0.0.0/8" in shown


async def test_a_volume_is_refused_before_anything_is_written(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await add_volume(api, project_id)
        failed = await deploy(api, project_id, image)
    assert failed["status"] != "deployed"
    assert "Volumes of images need a platform that runs as root" in failed["reason"]


async def test_a_service_of_an_image_is_refused_with_those_that_there_are(
    engine: DockerDaemon, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        body = {"kind": "mariadb", "name": "shop"}
        status, told = await api.request("POST", "/v1/services", json=body)
    assert status == 422
    assert told.endswith("Start the platform as root, or create a postgres or valkey service.")


def test_sockets_are_opened_again_once_the_process_that_opens_them_has_ended(
    engine: DockerDaemon, image: str
) -> None:
    container = engine.docker("run", "--detach", "--env", "PORT=8080", image)
    try:
        pid = int(engine.docker("inspect", "--format", "{{.State.Pid}}", container))
        with closing(RootlessNetworks()) as networks:
            for _ in range(2):
                with networks.open_socket(pid, socket.AF_INET) as made:
                    made.settimeout(5)
                    made.connect(("127.0.0.1", 8080))
                started = psutil.Process().children()
                (helper,) = [one for one in started if MODULE in one.cmdline()]
                helper.kill()
                helper.wait(timeout=10)
    finally:
        engine.docker("rm", "--force", container)


def test_no_socket_is_opened_in_a_network_that_is_somebody_elses() -> None:
    with closing(RootlessNetworks()) as networks, pytest.raises(OSError, match=r"denied|permitted"):
        networks.open_socket(1, socket.AF_INET)


def test_the_network_of_a_daemon_that_stays_out_of_it_is_found(tmp_path: Path) -> None:
    state, listener = tmp_path / "state", tmp_path / "d.sock"
    state.mkdir()
    (state / "netns").touch()
    detach = f'unshare --net="{state}/netns" true && exec "$@"'
    daemon = [sys.executable, "-c", DAEMON, str(listener)]
    process = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", detach, "sh", *daemon],
        env={**os.environ, "ROOTLESSKIT_STATE_DIR": str(state)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        prefix = network_of(f"unix://{listener}").prefix
        shown = subprocess.run(
            [*prefix, "readlink", "/proc/self/ns/net"], capture_output=True, text=True, check=True
        ).stdout.strip()
        own = {str(Path(f"/proc/{one}/ns/net").readlink()) for one in ("self", process.pid)}
        assert shown not in own
        assert len(own) == 1
    finally:
        process.kill()
        process.communicate()


def test_a_users_own_engine_comes_before_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    found = find_socket("", {"XDG_RUNTIME_DIR": "/run/user/1000"})
    assert found == "unix:///run/user/1000/docker.sock"
