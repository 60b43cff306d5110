"""What replicas use of the machine: memory now, processor time since the last look."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from createos_mcp.platform.models import Instance
from createos_mcp.platform.sandbox.process_table import descendants, memory_of

_FORGET_AFTER_S = 3600
_SHORTEST_S = 1.0
"""Below this, the average since the start is more honest than the difference to the last look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What the busiest replica of an environment uses."""

    memory_mb: int
    cpu_millicores: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    at: float
    cpu_s: float


class UsageMeter:
    """Reads usage, and remembers the last look at each replica."""

    def __init__(self) -> None:
        self._last: dict[str, _Look] = {}

    def read(self, instances: Sequence[Instance]) -> Usage | None:
        """What the replica with the most memory, and that with the most processor time, use.

        Each takes a few milliseconds. None where nothing runs.
        """
        found = [self._of(instance) for instance in instances]
        if not found:
            return None
        self._forget_old()
        return Usage(
            memory_mb=max(usage.memory_mb for usage in found),
            cpu_millicores=max(usage.cpu_millicores for usage in found),
        )

    def _of(self, instance: Instance) -> Usage:
        # The launcher is the platform's own; what it started is the app.
        pids = descendants(instance.process.pid)[1:]
        now, cpu_s = time.monotonic(), sum(map(_cpu_s, pids))
        last = self._last.get(instance.replica_id)
        if last is None or now - last.at < _SHORTEST_S or cpu_s < last.cpu_s:
            since_s, used_s = max(_age_s(instance.process.pid), _SHORTEST_S), cpu_s
        else:
            since_s, used_s = now - last.at, cpu_s - last.cpu_s
        if last is None or now - last.at >= _SHORTEST_S:
            self._last[instance.replica_id] = _Look(at=now, cpu_s=cpu_s)
        return Usage(
            memory_mb=round(memory_of(pids) / 2**20), cpu_millicores=round(1000 * used_s / since_s)
        )

    def _forget_old(self) -> None:
        oldest = time.monotonic() - _FORGET_AFTER_S
        self._last = {one: look for one, look in self._last.items() if look.at > oldest}


def _cpu_s(pid: int) -> float:
    """Processor time of a process and of the children that it has waited for."""
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _age_s(pid: int) -> float:
    with contextlib.suppress(psutil.Error):
        return time.time() - float(psutil.Process(pid).create_time())
    return 0.0
