"""Steps: commands that run in the sandbox to their end, with limits, and leave nothing behind."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio import to_thread

from createos_mcp.platform.build.build_command import OnLines, run_command
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.launches import Launch, launch_words, write_run_dir

_PREFIX = "build-"
"""Begins the names of a step's run directory and control group."""

MakeLaunch: TypeAlias = Callable[[Path, ControlGroup | None], Launch]
"""How a step is launched, in its run directory and with its group where there are any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a step ended."""

    exit_code: int
    was_out_of_memory: bool


class Steps:
    """Runs steps, and ends those that a platform which was killed has left."""

    def __init__(self, config: PlatformConfig) -> None:
        self._data_dir = config.data_dir
        self._cgroup_root = config.cgroup_root

    def end_interrupted(self) -> None:
        """End what is left of steps that ran when the platform was killed."""
        for run_dir in self._data_dir.runs.glob(f"{_PREFIX}*"):
            self._end(run_dir)

    async def run(
        self,
        name: str,
        *,
        environ: Mapping[str, str],
        limits: ResourceLimits,
        launch: MakeLaunch,
        on_lines: OnLines,
    ) -> Finished:
        """Run one step; nothing of it is left when this returns. One of a name runs at a time."""
        # The directory first: by it a platform that was killed knows the group again.
        run_dir = self._data_dir.run(f"{_PREFIX}{name}")
        await to_thread.run_sync(write_run_dir, run_dir, environ)
        group = ControlGroup(run_dir.name, self._cgroup_root)
        try:
            grouped = await to_thread.run_sync(group.create, limits)
            words = launch_words(launch(run_dir, group if grouped else None))
            exit_code = await run_command(words, on_lines=on_lines)
            out_of_memory = (run_dir / "out-of-memory").exists() or group.was_out_of_memory()
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._end, run_dir)
        return Finished(exit_code=exit_code, was_out_of_memory=out_of_memory)

    def _end(self, run_dir: Path) -> None:
        group = ControlGroup(run_dir.name, self._cgroup_root)
        group.kill()
        group.remove()
        shutil.rmtree(run_dir, ignore_errors=True)
