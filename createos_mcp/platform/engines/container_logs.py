"""Logs of containers, followed into the files that replicas of every engine have."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.app_logs import last_lines
from createos_mcp.platform.sandbox.launcher_output import MAX_LINE_BYTES, MAX_LOG_BYTES, Log

_RETRY_S = 1.0
_DRAIN_S = 5.0
_PLACE, _MARK, _OUTPUT = "log", "followed", "output"
"""Files of a run directory: where the lines go, how far they were read, those of a command."""

_ANY_TIME_S = 24 * 3600
_MOST_LINES = 100_000
"""More than are shown of any command, so that what is cut is told where it is shown."""

_STAMP_BYTES = len("2026-11-26T03:56:21.007")


class FollowedLog:
    """One replica's output, each line once, also over a cut of the connection.

    Args:
        path: Where the engine has it, `containers/ID/logs`.
        log_file: Where the lines go.
        mark: Remembers the engine's stamp of the last line, for the platform's next run.
    """

    def __init__(self, api: DockerApi, path: str, *, log_file: Path, mark: Path) -> None:
        self._api = api
        self._path = path
        self._mark = mark
        self._last = mark.read_text() if mark.exists() else ""
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = Log(str(log_file))
        self._following = anyio.CancelScope()

    async def follow(self) -> None:
        """Write what comes until the container has ended and nothing more comes."""
        with self._following:
            while True:
                try:
                    await self._read(follow=True)
                except EngineAwayError:
                    await anyio.sleep(_RETRY_S)
                except EngineRefusedError:
                    return
                else:
                    return

    async def drain(self) -> None:
        """Write what is left of a container that has ended, before it is removed."""
        # A swarm goes on to wait for a next one.
        self._following.cancel()
        try:
            await self._read(follow=False)
        except (EngineAwayError, EngineRefusedError):
            return

    def close(self) -> None:
        """Write no more."""
        self._log.close()

    async def _read(self, *, follow: bool) -> None:
        rest = b""
        # The engine takes the moment as included, and mixes two streams that it stamps apart.
        known = self._last
        since = {"since": _as_seconds(known)} if known else {}
        pieces = self._api.frames(
            self._path,
            stdout="1",
            stderr="1",
            timestamps="1",
            follow="1" if follow else "0",
            **since,
        )
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            self._write(lines, known)
        if rest:
            self._write([rest], known)

    def _write(self, lines: list[bytes], known: str) -> None:
        new = [line for line in lines if line and _stamp_of(line) > known]
        if not new:
            return
        for line in new:
            stamp, _, text = line.partition(b" ")
            moment = stamp[:_STAMP_BYTES].ljust(_STAMP_BYTES, b"0") + b"Z "
            for start in range(0, max(len(text), 1), MAX_LINE_BYTES):
                self._log.file.write(moment + text[start : start + MAX_LINE_BYTES] + b"\n")
        if self._log.file.tell() > MAX_LOG_BYTES:
            self._log.rotate()
        self._last = max(self._last, *map(_stamp_of, new))
        self._mark.write_text(self._last)


class FollowedLogs:
    """The logs of all replicas of an engine.

    Args:
        api: The engine.
        path_of: Where it has a replica's output.
    """

    def __init__(self, api: DockerApi, path_of: Callable[[Instance], str]) -> None:
        self._api = api
        self._path_of = path_of
        self._logs: dict[str, FollowedLog] = {}

    def follow(self, instance: Instance, tasks: TaskGroup, log_file: Path | None = None) -> None:
        """Follow a replica's output until it ends.

        Args:
            instance: The replica.
            tasks: Where that goes on.
            log_file: Where the lines go; None for where they went before.
        """
        written = instance.run_dir / _PLACE
        if log_file is not None:
            instance.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            written.write_text(str(log_file))
        elif not written.exists():
            return
        followed = FollowedLog(
            self._api,
            self._path_of(instance),
            log_file=Path(written.read_text()),
            mark=instance.run_dir / _MARK,
        )
        self._logs[instance.replica_id] = followed
        tasks.start_soon(followed.follow)

    async def drain(self, instance: Instance) -> None:
        """Write what is left of one that has ended, before it is removed."""
        followed = self._logs.get(instance.replica_id)
        if followed is not None:
            with anyio.move_on_after(_DRAIN_S):
                await followed.drain()

    async def forget(self, instance: Instance) -> None:
        """Write no more of one that was removed, and remember nothing of it."""
        followed = self._logs.pop(instance.replica_id, None)
        if followed is not None:
            followed.close()
        await to_thread.run_sync(_remove_files, instance.run_dir)

    def close(self) -> None:
        """Write no more of any."""
        for followed in self._logs.values():
            followed.close()


def in_own_log(spec: LaunchSpec, data_dir: DataDir) -> LaunchSpec:
    """The same for a command that runs once, with a log that nothing else is in."""
    return replace(spec, log_file=data_dir.run(spec.replica_id) / _OUTPUT)


def take_lines(log_file: Path) -> list[str]:
    """What a command printed, whose log goes with its directory."""
    lines = last_lines(log_file, _ANY_TIME_S, _MOST_LINES)
    shutil.rmtree(log_file.parent, ignore_errors=True)
    return lines


def _remove_files(run_dir: Path) -> None:
    for name in (_PLACE, _MARK):
        (run_dir / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run_dir.rmdir()


def _stamp_of(line: bytes) -> str:
    """`2026-11-26T03:56:21.007123456Z`, padded so that stamps compare as text."""
    stamp = line.partition(b" ")[0].decode(errors="replace").removesuffix("Z")
    whole, _, fraction = stamp.partition(".")
    return f"{whole}.{fraction.ljust(9, '0')}Z"


def _as_seconds(stamp: str) -> str:
    """Seconds and nanoseconds, as the API takes them."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(f"{whole}+00:00")
    return f"{int(moment.timestamp())}.{fraction}"
