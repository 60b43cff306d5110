"""A running app from the outside: written down, found again, waited for, ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from createos_mcp.platform.models import Instance, Json

KILLED = 137
KILL_TIMEOUT_S = 5


def to_json(instance: Instance) -> dict[str, Json]:
    """Write an instance down so that `adopt` finds it again."""
    return {
        "deployment_id": instance.deployment_id,
        "pid": instance.pid,
        "created": instance.created,
        "run_dir": str(instance.run_dir),
        "port": instance.port,
        "isolation": instance.isolation,
        "limits": instance.limits,
    }


def from_json(written: Mapping[str, Json]) -> Instance:
    """Read what `to_json` wrote."""
    return Instance(**{**written, "run_dir": Path(written["run_dir"])})


def is_running(instance: Instance) -> bool:
    """Whether the launcher runs; a process that got its pid later does not count."""
    try:
        process = psutil.Process(instance.pid)
        if abs(process.create_time() - instance.created) > 1:
            return False
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_ended(instance: Instance) -> None:
    """Return once the launcher, and with it the app, has ended."""
    with contextlib.suppress(ProcessLookupError):
        await _until_readable(os.pidfd_open(instance.pid), instance)


async def _until_readable(pidfd: int, instance: Instance) -> None:
    """A pidfd becomes readable when its process ends; see pidfd_open(2)."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, ended.set)
    try:
        if is_running(instance):
            await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def exit_code_of(instance: Instance) -> int:
    """What the app ended with, as its launcher wrote it down; 137 when that was killed."""
    try:
        return int((instance.run_dir / "exit").read_text())
    except (FileNotFoundError, ValueError):
        return KILLED


def kill_tree(instance: Instance) -> None:
    """End the launcher and what descends from it, when the reply to `stop` was not enough."""
    if not is_running(instance):
        return
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(instance.pid)
        family += [*leader.children(recursive=True), leader]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=KILL_TIMEOUT_S)
