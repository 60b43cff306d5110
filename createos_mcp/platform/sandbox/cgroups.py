"""Memory, CPU and process limits by control groups, version 1 or 2, where they can be set."""

import errno
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PARENT = "createos"
# A build with one process per core fits; a fork bomb ends here.
MAX_PROCESSES = 512
# The default of the kernel: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
CPU_PERIOD_US = 100_000
DEFAULT_WEIGHT, DEFAULT_SHARES = 100, 1024
YIELDING_SHARE = 0.05
REMOVE_ATTEMPTS = 500
REMOVE_PAUSE_S = 0.002

_V1_CONTROLLERS = ("memory", "cpu", "pids")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceLimits:
    """What one app may use."""

    memory_mb: int
    cpu_millicores: int
    yields: bool = False
    """Whether others go first where the processor is busy, as before a build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Throttling:
    """Periods in which a group wanted the processor, and those of them that its limit cut."""

    periods: int = 0
    cut: int = 0

    def share_since(self, earlier: "Throttling") -> float:
        """The part of the periods since then that was cut; 0 where it wanted nothing."""
        periods = self.periods - earlier.periods
        return (self.cut - earlier.cut) / periods if periods > 0 else 0.0


class ControlGroup:
    """The group of one app: one directory in version 2, one per controller in version 1."""

    def __init__(self, name: str, root: Path) -> None:
        self._unified = (root / "cgroup.controllers").exists()
        self._directories = (
            [root / PARENT / name]
            if self._unified
            else [root / controller / PARENT / name for controller in _V1_CONTROLLERS]
        )

    @property
    def member_files(self) -> list[Path]:
        """Files that a process writes its pid to in order to join."""
        return [directory / "cgroup.procs" for directory in self._directories]

    @property
    def launcher_files(self) -> list[Path]:
        """Files by which a launcher's processor time counts as the app's, which it works for.

        Version 1 alone has a group for the processor that is not one for memory, which must not
        end a launcher together with its app.
        """
        return [file for file in self.member_files if file.parents[2].name == "cpu"]

    def create(self, limits: ResourceLimits) -> bool:
        """Make the group and set its limits; False where this process may not."""
        try:
            for directory in self._directories:
                directory.mkdir(parents=True, exist_ok=True)
            if self._unified:
                self._delegate()
            for directory in self._directories:
                for name, value in self._values(limits).items():
                    if (directory / name).exists():
                        (directory / name).write_text(value)
        except OSError:
            self.remove()
            return False
        return self._is_limited()

    @classmethod
    def works(cls, root: Path) -> bool:
        """Whether this process can limit others by control groups, found out by trying it."""
        trial = cls(f"trial-{os.getpid()}", root)
        try:
            return trial.create(ResourceLimits(memory_mb=64, cpu_millicores=100))
        finally:
            trial.remove()

    def was_out_of_memory(self) -> bool:
        """Whether the system ended a process of the group because memory ran out."""
        for directory in self._directories:
            for name in ("memory.events", "memory.oom_control"):
                with suppress(OSError):
                    counts = dict(
                        line.split() for line in (directory / name).read_text().split("\n") if line
                    )
                    if int(counts.get("oom_kill", 0)) > 0:
                        return True
        return False

    def throttling(self) -> Throttling | None:
        """How often its limit of processor time has cut it so far; None where it has no limit."""
        for directory in self._directories:
            with suppress(OSError, KeyError, ValueError):
                lines = (directory / "cpu.stat").read_text().splitlines()
                counts = dict(line.split() for line in lines)
                return Throttling(
                    periods=int(counts["nr_periods"]), cut=int(counts["nr_throttled"])
                )
        return None

    def let_yield(self, *, yields: bool) -> bool:
        """Let others go first where the processor is busy, or no more; False where it cannot."""
        for directory in self._directories:
            with suppress(OSError):
                (directory / "cpu.idle").write_text("1" if yields else "0")
                return True
        return False

    def kill(self) -> None:
        """End every process of the group, whatever session it moved to, but no launcher."""
        for file in set(self.member_files) - set(self.launcher_files):
            with suppress(OSError):
                for pid in file.read_text().split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), 9)

    def remove(self) -> None:
        """Delete the group once its last process is gone."""
        for directory in self._directories:
            for _ in range(REMOVE_ATTEMPTS):
                try:
                    directory.rmdir()
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        break
                    time.sleep(REMOVE_PAUSE_S)
                else:
                    break

    def _delegate(self) -> None:
        for directory in (self._directories[0].parents[1], self._directories[0].parent):
            (directory / "cgroup.subtree_control").write_text("+memory +cpu +pids")

    def _is_limited(self) -> bool:
        names = ("memory.max", "memory.limit_in_bytes")
        return any((d / name).exists() for d in self._directories for name in names)

    def _values(self, limits: ResourceLimits) -> Mapping[str, str]:
        memory = str(limits.memory_mb * 2**20)
        quota_us = str(limits.cpu_millicores * CPU_PERIOD_US // 1000)
        share = YIELDING_SHARE if limits.yields else 1
        # Last: an idle group has no weight to set.
        idle = {"cpu.idle": "1"} if limits.yields else {}
        if self._unified:
            return {
                "memory.max": memory,
                "memory.swap.max": "0",
                # Else the kernel ends one process, and the rest of an app goes on without it.
                "memory.oom.group": "1",
                "cpu.max": f"{quota_us} {CPU_PERIOD_US}",
                "cpu.weight": str(int(DEFAULT_WEIGHT * share)),
                "pids.max": str(MAX_PROCESSES),
                **idle,
            }
        return {
            "memory.limit_in_bytes": memory,
            "cpu.cfs_period_us": str(CPU_PERIOD_US),
            "cpu.cfs_quota_us": quota_us,
            "cpu.shares": str(int(DEFAULT_SHARES * share)),
            "pids.max": str(MAX_PROCESSES),
            **idle,
        }
