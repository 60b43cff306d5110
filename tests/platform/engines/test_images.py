"""Image projects on a real container engine, with a registry of the tests' own."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import eq
from pathlib import Path

import anyio
import httpx2
import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.engine_network import network_of
from createos_mcp.platform.engines.firewall import bridge_of
from tests.eventually import eventually
from tests.platform.engines.daemons import DockerDaemon, own_address
from tests.platform.platforms import Api, read_page, running_platform

pytestmark = pytest.mark.engines

LASTING = """httpd -p "$PORT" -h /www
echo began
while [ ! -f /tmp/code ]; do sleep 0.05; done
exit $(cat /tmp/code)"""
CGI = "#!/bin/sh\necho 'Content-Type: text/plain'; echo\n"
PAGES = {
    "www/index.html": "one",
    "www/cgi-bin/env": f"{CGI}env",
    "www/cgi-bin/exit": f"{CGI}echo ${{QUERY_STRING}} > /tmp/code",
    "www/cgi-bin/run": f'{CGI}eval "$(httpd -d "$QUERY_STRING")" 2>&1',
}


async def image_project(api: Api, name: str = "image-app", **settings: Json) -> str:
    project = {"uniqueName": name, "displayName": name, "type": "image", "source": {}}
    status, data = await api.request(
        "POST", "/v1/projects", json={**project, "settings": {"port": 8080, **settings}}
    )
    assert status == 201, data
    project_id: str = data["id"]
    return project_id


async def deploy(api: Api, project_id: str, image: str) -> Json:
    path = f"/v1/projects/{project_id}/deployments"
    status, data = await api.request("POST", path, json={"image": image})
    assert status == 200, data
    return await api.wait(project_id, data["id"])


async def replica_at(address: str) -> str:
    """The variable by which replicas are told apart, of the one that answers."""
    page = await read_page(f"{address}/cgi-bin/env")
    return next((line for line in page.splitlines() if line.startswith("REPLICA_ID=")), "")


async def count_names(address: str) -> int:
    """How many replicas answer."""
    return len({await replica_at(address) for _ in range(8)})


async def address_of(api: Api, project_id: str) -> str:
    address: str = (await api.environment(project_id))["extra"]["endpoint"]
    return address


@pytest.fixture(scope="module")
def image(engine: DockerDaemon, registry: str) -> str:
    """An image in the registry alone."""
    reference = f"{registry}/team/pages:1"
    engine.publish(reference, PAGES, "EXPOSE 8080", command=LASTING)
    engine.docker("rmi", reference)
    return reference


async def test_an_image_runs_with_its_own_command_and_leaves_nothing(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api, runEnvs={"GREETING": "good day"})
        deployment = await deploy(api, project_id, image)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert re.fullmatch(r"\S+/team/pages@sha256:[0-9a-f]{64}", deployment["artifactImage"])
        assert deployment["source"] == {"kind": "image", "image": image}
        assert deployment["extra"]["isolation"] == "container"
        address = await address_of(api, project_id)
        assert await read_page(address) == "one"
        variables = (await read_page(f"{address}/cgi-bin/env")).splitlines()
        assert "GREETING=good day" in variables
        assert "PORT=8080" in variables
        log = await api.build_log(deployment)
        told = (await api.get("/status"))["engine"]
    assert told["name"].startswith(("Docker 2", "Podman 4"))
    assert f"{image} is {deployment['artifactImage']}" in log
    assert engine.docker("ps", "--all", "--quiet") == ""


async def test_a_rollback_runs_the_same_digest_though_the_tag_has_moved(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/moving:latest"
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        found = []
        for text in ("one", "two"):
            engine.publish(reference, {"www/index.html": text})
            found.append(await deploy(api, project_id, reference))
        address = await address_of(api, project_id)
        assert await read_page(address) == "two"
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/assign-deployment"
        await api.request("POST", path, json={"deploymentId": found[0]["id"]})
        await eventually(lambda: read_page(address), lambda page: page == "one")
    assert found[0]["artifactImage"] != found[1]["artifactImage"]


async def test_a_container_that_ends_is_started_again_and_says_how_it_ended(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await deploy(api, project_id, image)
        address = await address_of(api, project_id)
        first = engine.docker("ps", "--quiet")
        await read_page(f"{address}/cgi-bin/exit?7")
        extra = await eventually(
            lambda: api.environment(project_id), lambda row: row["extra"].get("restarts") == 1
        )
        await eventually(lambda: read_page(address), lambda page: page == "one")
        second = engine.docker("ps", "--quiet")
    assert "exited with code 7" in extra["extra"]["lastExit"]["reason"]
    assert first != second


async def test_a_container_over_its_memory_is_told_as_such(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/hungry:1"
    engine.publish(reference, {}, command="exec dd bs=2000M count=1 if=/dev/zero of=/dev/null")
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        failed = await deploy(api, await image_project(api), reference)
    # Podman 4.3 tells of no memory that was exceeded where version 1 of control groups is in use;
    # a rootless engine has no limits there.
    may_end = engine.is_podman or engine.is_rootless
    told = {ReasonCode.OUT_OF_MEMORY, *([ReasonCode.APP_EXITED] if may_end else [])}
    assert (failed["status"], failed["reasonCode"] in told) == ("crashing", True)


async def test_lines_are_kept_once_and_in_order_also_of_what_is_gone(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/talking:1"
    command = 'for n in $(seq 2000); do echo "line $n"; done; sleep 0.3; echo failed >&2; exit 1'
    engine.publish(reference, {}, command=command)
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        failed = await deploy(api, project_id, reference)
        path = f"/v1/projects/{project_id}/deployments/{failed['id']}/deployment-logs"
        text = await api.get(f"{path}?since-seconds=600")
        build_log = await api.build_log(failed)
    numbers = [int(found) for found in re.findall(r"line (\d+)", text)]
    assert numbers == [*range(1, 2001)]
    assert "failed" in build_log


async def test_replicas_share_the_requests_and_are_given_up_again(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await deploy(api, project_id, image)
        production = await api.environment(project_id)
        address = production["extra"]["endpoint"]

        path = f"/v1/projects/{project_id}/environments/{production['id']}/resources"
        for count in (2, 1):
            wanted = {"cpu": 500, "memory": 1024, "replicas": count}
            assert (await api.request("PUT", path, json=wanted))[0] == 200
            await eventually(lambda: count_names(address), partial(eq, count))


async def test_a_switch_under_load_loses_no_request(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/switched:latest"
    answers: list[tuple[int, str]] = []
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        engine.publish(reference, {"www/index.html": "one"})
        await deploy(api, project_id, reference)
        address = await address_of(api, project_id)

        async def keep_asking() -> None:
            async with httpx2.AsyncClient(timeout=30) as client:
                while True:
                    answer = await client.get(address)
                    answers.append((answer.status_code, answer.text))

        async with anyio.create_task_group() as visits:
            for _ in range(32):
                visits.start_soon(keep_asking)
            engine.publish(reference, {"www/index.html": "two"})
            await deploy(api, project_id, reference)
            await eventually(lambda: read_page(address), lambda page: page == "two")
            visits.cancel_scope.cancel()
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} == {"one", "two"}


async def test_a_platform_finds_its_containers_again(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await deploy(api, project_id, image)
        path = f"/v1/projects/{project_id}/deployments"
        newest = (await api.client.get(path)).json()["data"]["data"][0]["id"]
        await api.request("POST", f"{path}/{newest}/sleep")
        asleep = await eventually(
            lambda: api.get(f"{path}/{newest}"), lambda row: row["status"] == "sleeping"
        )
        assert engine.docker("ps", "--quiet") == ""
        assert await read_page(await address_of(api, project_id)) == "one"
        awake = await api.wait(project_id, newest, "deployed")
    assert asleep["artifactImage"] == awake["artifactImage"]


async def test_images_and_containers_of_others_are_left_alone(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    engine.make_image("others/image:1", {"www/index.html": "theirs"})
    foreign = engine.docker(
        "run", "--detach", "--env", "PORT=1", "--network", "none", "others/image:1"
    )
    try:
        async with running_platform(tmp_path, docker_host=engine.host) as api:
            project_id = await image_project(api)
            await deploy(api, project_id, image)
            await api.client.delete(f"/v1/projects/{project_id}")
            await api.until_gone(f"/v1/projects/{project_id}")
        assert engine.docker("inspect", "--format", "{{.State.Running}}", foreign) == "true"
        assert "others/image" in engine.docker("images")
    finally:
        engine.docker("rm", "--force", foreign)


HARDENING = {
    "no capability beyond those to drop to a user": (
        "grep CapEff /proc/1/status",
        "CapEff:\t00000000000004eb",
    ),
    "no new privileges": ("grep NoNewPrivs /proc/1/status", "NoNewPrivs:\t1"),
    "a filter of system calls": ("grep 'Seccomp:' /proc/1/status", "Seccomp:\t2"),
    "no device of the machine": ("ls /dev | grep -c -E 'sda|vda|mem|kmsg'", "0"),
    "no socket of the engine": ("ls /var/run/docker.sock", "No such file or directory"),
    "a bound of processes": (
        "n=0; while [ $n -lt 600 ]; do sleep 20 & n=$((n+1)); done; echo many",
        "an't fork",
    ),
    "no way to settings of the kernel": ("echo 1 > /proc/sys/kernel/panic", "Read-only"),
}


@pytest.mark.parametrize(("command", "shown"), HARDENING.values(), ids=HARDENING)
async def test_a_container_has(
    engine: DockerDaemon, image: str, tmp_path: Path, command: str, shown: str
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployment = await deploy(api, await image_project(api), image)
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}/commands"
        _, done = await api.request("POST", path, json={"command": command})
    assert shown in done["output"]


async def reaches(api: Api, deployment: Json, address: str) -> bool:
    """Whether a connection is made from the network of a deployment's container."""
    path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}/commands"
    connect = f"nc -w 3 {address.replace(':', ' ')} -e /bin/echo 2> /dev/null"
    command = f"{connect} && echo reached || echo failed"
    status, done = await api.request("POST", path, json={"command": command})
    assert status == 200, done
    said: str = done["output"].strip()
    assert said in {"reached", "failed"}, done
    return said == "reached"


async def test_containers_reach_neither_one_another_nor_this_machine_nor_private_networks(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        await deploy(api, await image_project(api), image)
        other = await deploy(api, await image_project(api, "other-app"), image)
        ids = engine.docker("ps", "--quiet").split()
        at = "{{.NetworkSettings.Networks.createos.IPAddress}}"
        neighbor = [f"{engine.docker('inspect', '--format', at, one)}:8080" for one in ids]
        gateway = engine.docker(
            "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", "createos"
        )
        # Rootless Docker has a network of its own, to which this machine is another one.
        machine = own_address() if engine.is_rootless else gateway
        with socket.create_server((machine, 0)) as service:
            own = f"{machine}:{service.getsockname()[1]}"
            for address in (*neighbor, own, "10.1.2.3:80", "169.254.169.254:80"):
                assert not await reaches(api, other, address), address
            (network,) = json.loads(engine.docker("network", "inspect", "createos"))
            with without_rules(bridge_of(network, engine.host), engine):
                assert await reaches(api, other, own)


@contextmanager
def without_rules(bridge: str, engine: DockerDaemon) -> Iterator[None]:
    """The machine as it is without the rules for containers, so that a test can fail."""
    chain = "FORWARD" if engine.is_rootless else "INPUT"
    rule = [chain, "-i", bridge, "-j", "ACCEPT"]
    iptables = [*network_of(engine.host).prefix, "/usr/sbin/iptables"]
    subprocess.run([*iptables, "-I", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run([*iptables, "-D", *rule], check=True)


async def test_containers_ask_for_names_though_the_resolver_is_on_a_private_network(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    (resolver,) = network_of(engine.host).resolvers[:1]
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployed = await deploy(api, await image_project(api), image)
        path = f"/v1/projects/{deployed['projectId']}/deployments/{deployed['id']}/commands"
        command = f"nc -w 3 {resolver} 53 < /dev/null && echo connected"
        _, done = await api.request("POST", path, json={"command": command})
        assert not await reaches(api, deployed, f"{resolver}:80")
    assert "connected" in done["output"]
