"""A running replica from the outside: written down, found again, waited for, ended."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform import processes
from createos_mcp.platform.models import Instance
from createos_mcp.platform.processes import ProcessId

# 128 and SIGKILL, as shells and container engines report it.
KILLED = 137


def to_json(instance: Instance) -> dict[str, Json]:
    """Write an instance down so that `adopt` finds it again."""
    return {**asdict(instance), "run_dir": str(instance.run_dir)}


def from_json(written: Mapping[str, Json]) -> Instance:
    """Read what `to_json` wrote."""
    process = ProcessId(**written["process"])
    return Instance(**{**written, "process": process, "run_dir": Path(written["run_dir"])})


def is_instance_running(instance: Instance) -> bool:
    """Whether the launcher runs, and with it the app."""
    return instance.process.is_running()


async def wait_for_exit(instance: Instance) -> None:
    """Return once the launcher, and with it the app, has ended."""
    with contextlib.suppress(ProcessLookupError):
        await _until_readable(os.pidfd_open(instance.process.pid), instance)


async def _until_readable(pidfd: int, instance: Instance) -> None:
    """A pidfd becomes readable when its process ends; see pidfd_open(2)."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, ended.set)
    try:
        if is_instance_running(instance):
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


def kill_instance(instance: Instance) -> None:
    """End the launcher and what descends from it, when the reply to `stop` was not enough."""
    if is_instance_running(instance):
        processes.kill_trees([instance.process.pid])
