"""Checks of this machine as the place of the local platform."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio

from createos_mcp.cli.checks import CheckResult
from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.platform import daemon
from createos_mcp.platform.engines.docker_api import DockerApi, find_socket
from createos_mcp.platform.engines.engine_health import EngineHealth, check_engine
from createos_mcp.platform.errors import EngineMissingError, SwarmMissingError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.cgroups import ControlGroup
from createos_mcp.platform.sandbox.detection import detect_sandbox, gaps_of
from createos_mcp.platform.sandbox.sandbox import NOTHING
from createos_mcp.platform.state import PlatformState
from createos_mcp.settings.settings import PLATFORM_PREFIX, variable_of

_CGROUPS = Path("/sys/fs/cgroup")
_PORTS = ("api_port", "gateway_port")


def find_target(invocation: Invocation) -> tuple[ApiTarget | None, list[CheckResult]]:
    """The platform when it runs; it is not started for this."""
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.find_running(data_dir)
    if state is None:
        detail = "not running; the first call starts it"
        return None, [CheckResult(name="platform", status="ok", detail=detail)]
    try:
        key = data_dir.key_file.read_text().strip()
    except OSError as error:
        remedy = "Run this as the user who started the platform, or stop and start it."
        detail = f"its key in {data_dir.key_file} cannot be read: {error.strerror}"
        return None, [CheckResult(name="platform", status="fail", detail=detail, remedy=remedy)]
    return ApiTarget(base_url=state.api_url, credentials=Credentials(api_key=key)), []


def check_machine(invocation: Invocation) -> Iterator[CheckResult]:
    """What apps would run in, and whether the platform could start."""
    data_dir = config_of(invocation.settings).data_dir
    yield from _check_isolation()
    yield _check_engine(invocation)
    yield _check_data_dir(data_dir)
    yield from _check_ports(invocation, daemon.find_running(data_dir))


_SWARM = "swarm"
_SWARM_REMEDY = "docs/cluster.md shows how to make one of two machines."
_NODE_REMEDY = "`docker node ls` tells more; start Docker there, or remove the machine."
_REGISTRY_REMEDY = "Set CREATEOS_PLATFORM_REGISTRY to one that all machines reach."
_REMEDIES = {
    "files": "Install bubblewrap, and allow user namespaces if they are disabled. Until then only "
    "your own key may deploy.",
    "processes": "Install bubblewrap, and allow user namespaces if they are disabled.",
    "memory": "Run the platform as root, or in a systemd unit with Delegate=yes.",
    "cpu": "Run the platform as root, or in a systemd unit with Delegate=yes.",
    "outbound": "Install slirp4netns; it needs /dev/net/tun. Apps reach no other machine.",
    "network": "Allow network namespaces. Ports of apps can collide.",
    "system calls": "Use a machine with x86_64 or aarch64.",
}
"""What helps where a measure of the sandbox does not hold."""


def _check_isolation() -> Iterator[CheckResult]:
    with tempfile.TemporaryDirectory(prefix="createos-doctor-") as directory:
        # Closed to others, as a data directory is.
        sandbox = detect_sandbox("auto", Path(directory, "sandbox"))
    has_groups = ControlGroup.works(_CGROUPS)
    if sandbox.name == NOTHING:
        detail = f"{sandbox.missing['files']}; apps run as plain processes"
        yield CheckResult(name="isolation", status="warn", detail=detail, remedy=_REMEDIES["files"])
        return
    users = ", each project as a user of its own" if sandbox.own_user else ""
    place = "in a bubblewrap sandbox" if sandbox.bwrap else "confined by Landlock"
    yield CheckResult(name="isolation", status="ok", detail=f"each app {place}{users}")
    for measure, reason in gaps_of(sandbox, has_groups=has_groups).items():
        yield CheckResult(
            name=f"isolation: {measure}", status="warn", detail=reason, remedy=_REMEDIES[measure]
        )


def _check_engine(invocation: Invocation) -> CheckResult:
    """What runs images and builds Dockerfiles, or everything; apps of files alone need none."""
    config = config_of(invocation.settings)
    host = find_socket(config.docker_host, invocation.environ)
    try:
        health = anyio.run(_ask_engine, host, config.engine)
    except SwarmMissingError as error:
        return CheckResult(name=_SWARM, status="fail", detail=str(error), remedy=_SWARM_REMEDY)
    except EngineMissingError as error:
        detail = f"none for images and Dockerfiles. {error}"
        return CheckResult(name="container engine", status="ok", detail=detail)
    if health.nodes:
        return _check_nodes(health, config.registry)
    detail = f"{health.name} at {health.host} runs images and builds Dockerfiles"
    return CheckResult(name="container engine", status="ok", detail=detail)


async def _ask_engine(host: str, wanted: str) -> EngineHealth:
    async with DockerApi(host) as api:
        return await check_engine(api, wanted)


def _check_nodes(health: EngineHealth, registry: str) -> CheckResult:
    """Whether all machines of a swarm are there, and a registry that they pull from."""
    away = [node.name for node in health.nodes if not node.is_ready]
    detail = f"{health.name} of {len(health.nodes)} machines runs all apps"
    if away:
        detail = f"{detail}; not ready: {', '.join(away)}"
        return CheckResult(name=_SWARM, status="warn", detail=detail, remedy=_NODE_REMEDY)
    if not registry:
        detail = f"{detail}; without a registry only images of others run there"
        return CheckResult(name=_SWARM, status="warn", detail=detail, remedy=_REGISTRY_REMEDY)
    return CheckResult(name=_SWARM, status="ok", detail=detail)


def _check_data_dir(data_dir: DataDir) -> CheckResult:
    """Whether files can be written there, found out by writing one."""
    root = data_dir.root
    above = next(path for path in (root, *root.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            return CheckResult(name="data directory", status="ok", detail=f"{root} is writable")
    except OSError as error:
        return CheckResult(
            name="data directory",
            status="fail",
            detail=f"{root} is not writable: {above}: {error.strerror}",
            remedy="Give it to your user, or choose another with CREATEOS_DATA_DIR.",
        )


def _check_ports(invocation: Invocation, state: PlatformState | None) -> Iterator[CheckResult]:
    """Ports that are chosen by a setting, by listening on them; others are free by choice."""
    for name in _PORTS:
        port: int = getattr(invocation.settings.platform, name)
        if not port or state is not None:
            continue
        problem = _listen_problem(port)
        if problem is None:
            yield CheckResult(name="port", status="ok", detail=f"{port} is free")
        else:
            yield CheckResult(
                name="port",
                status="fail",
                detail=f"cannot listen on {port}: {problem}",
                remedy=f"Choose another with {variable_of(PLATFORM_PREFIX + name)}, or remove it.",
            )


def _listen_problem(port: int) -> str | None:
    with socket.socket() as trial:
        # As servers do, so that connections that have just ended are no obstacle.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None
