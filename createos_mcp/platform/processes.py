"""Processes told apart for good: by pid, start and boot, whatever becomes of the clock."""

import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import psutil
from anyio.abc import Process

# SIGKILL takes effect at once, except in uninterruptible sleep.
KILL_TIMEOUT_S = 5
POLL_S = 0.002

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _STARTTIME = 0, 19
"""Fields of /proc/pid/stat behind the name in parentheses; see proc(5)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessId:
    """One process, never another one that got its pid later."""

    pid: int
    started: int
    """Clock ticks from the machine's boot to the process's start."""
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has that pid now.

        Raises:
            ProcessLookupError: There is none.
        """
        return cls(pid=pid, started=int(_stat(pid)[_STARTTIME]), boot_id=_boot_id())

    def is_running(self) -> bool:
        """Whether that very process runs; one that only waits to be reaped does not."""
        try:
            stat = _stat(self.pid)
        except ProcessLookupError:
            return False
        is_this = int(stat[_STARTTIME]) == self.started and _boot_id() == self.boot_id
        return is_this and stat[_STATE] not in "ZX"


def kill_trees(pids: Iterable[int]) -> None:
    """End processes and all that descend from them; none of them runs when this returns."""
    family = {process for pid in pids for process in _descendants(pid)}
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while any(map(_runs, family)) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def pids_by_environ(variable: str) -> Mapping[str, list[int]]:
    """Pids by the value of a variable in their environment, which descendants inherit."""
    prefix = f"{variable}=".encode()
    found: defaultdict[str, list[int]] = defaultdict(list)
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for entry in (directory / "environ").read_bytes().split(b"\0"):
                if entry.startswith(prefix):
                    value = entry[len(prefix) :].decode(errors="replace")
                    found[value].append(int(directory.name))
    return found


def _descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [*leader.children(recursive=True), leader]
    return []


def _runs(process: psutil.Process) -> bool:
    """What only waits to be reaped has ended; init takes seconds for that on some machines."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


@asynccontextmanager
async def ended_with(process: Process, grace_s: float) -> AsyncIterator[None]:
    """A process that has ended when the block has, however that ends; it is asked to first."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with anyio.move_on_after(grace_s):
                    await process.wait()
            if process.returncode is None:
                process.kill()
            await process.aclose()
