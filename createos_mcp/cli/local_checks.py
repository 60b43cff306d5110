"""Checks of this machine as the place of the local platform."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from createos_mcp.cli.checks import CheckResult
from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.platform import daemon
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.sandbox import detect_sandbox
from createos_mcp.platform.state import PlatformState
from createos_mcp.settings.settings import variable_of

_PORTS = ("platform_api_port", "platform_gateway_port")


def find_target(invocation: Invocation) -> tuple[ApiTarget | None, list[CheckResult]]:
    """The platform when it runs; it is not started for this."""
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.find_running(data_dir)
    if state is None:
        detail = "it does not run; the first call starts it"
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
    yield _check_data_dir(data_dir)
    yield from _check_ports(invocation, daemon.find_running(data_dir))


def _check_isolation() -> Iterator[CheckResult]:
    sandbox = detect_sandbox("auto")
    if sandbox.bwrap is None:
        yield CheckResult(
            name="isolation",
            status="warn",
            detail="bubblewrap is missing or may not run; apps are plain processes",
            remedy="Install bubblewrap, and allow user namespaces where they are forbidden.",
        )
        return
    yield CheckResult(name="isolation", status="ok", detail="each app in a sandbox, by bubblewrap")
    if sandbox.outbound:
        yield CheckResult(name="app network", status="ok", detail="by slirp4netns")
    else:
        yield CheckResult(
            name="app network",
            status="warn",
            detail="apps cannot reach other machines",
            remedy="Install slirp4netns; it needs /dev/net/tun.",
        )


def _check_data_dir(data_dir: DataDir) -> CheckResult:
    root = data_dir.root
    above = next(path for path in (root, *root.parents) if path.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return CheckResult(name="data directory", status="ok", detail=f"{root} can be written")
    return CheckResult(
        name="data directory",
        status="fail",
        detail=f"{root} cannot be {'written' if above == root else 'made'}: {_fault(above)}",
        remedy="Give it to your user, or choose another by CREATEOS_DATA_DIR.",
    )


def _fault(path: Path) -> str:
    return f"{path} belongs to others" if path.is_dir() else f"{path} is no directory"


def _check_ports(invocation: Invocation, state: PlatformState | None) -> Iterator[CheckResult]:
    """Ports that are chosen by a setting; others are found free by the platform itself."""
    for name in _PORTS:
        port: int = getattr(invocation.settings, name)
        if not port or state is not None:
            continue
        if _is_port_free(port):
            yield CheckResult(name="port", status="ok", detail=f"{port} is free")
        else:
            yield CheckResult(
                name="port",
                status="fail",
                detail=f"{port} is in use by another program",
                remedy=f"Choose another by {variable_of(name)}, or leave it out.",
            )


def _is_port_free(port: int) -> bool:
    with socket.socket() as trial:
        # As servers do, so that connections that have just ended are no obstacle.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
