"""Logs of containers, followed into the files that replicas of every engine have."""

import contextlib
import logging
import re
import shutil
import sys
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

logger = logging.getLogger(__name__)

_RETRY_S = 1.0
_QUIET_S = 0.5
_DRAIN_S = 5.0
_MARK, _OUTPUT = "followed", "output"
"""Files of a run directory: how far the lines were read, and those of a command."""

_ANY_TIME_S = 24 * 3600
_MOST_LINES = 100_000
"""More than are shown of any command, so that what is cut is told where it is shown."""

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z(?: |$)")
_STAMP_BYTES = len("2026-11-26T03:56:21.007")


class FollowedLog:
    """One replica's output, each line once, also over a cut of the connection.

    Args:
        path: Where the engine has it, `containers/ID/logs`.
        log_file: Where the lines go.
        mark: Remembers the engine's stamp of the last line, for the platform's next run, and how
            many lines had it: Podman stamps all that it reads at once alike.
    """

    def __init__(self, api: DockerApi, path: str, *, log_file: Path, mark: Path) -> None:
        self._api = api
        self._path = path
        self._mark = mark
        self._last, self._written = _read_mark(mark) if mark.exists() else ("", 0)
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = Log(str(log_file))
        self._following = anyio.CancelScope()
        self._reading = anyio.Lock()
        self._is_followed = False
        self._read_at = float("-inf")
        """When something came last."""

    async def follow(self) -> None:
        """Write what comes until the container has ended and nothing more comes."""
        self._is_followed, self._read_at = True, anyio.current_time()
        try:
            await self._follow()
        finally:
            self._is_followed = False

    async def _follow(self) -> None:
        with self._following:
            while True:
                try:
                    await self._read(follow=True)
                except EngineAwayError:
                    await anyio.sleep(_RETRY_S)
                except EngineRefusedError:
                    return
                except Exception:
                    # What goes wrong with one log must not end the others, nor the platform.
                    logger.exception("the log %s is not followed any more", self._path)
                    return
                else:
                    return

    async def drain(self) -> None:
        """Write what is left of a container that has ended, before it is removed."""
        await self._until_quiet()
        self._following.cancel()
        try:
            await self._read(follow=False)
        except (EngineAwayError, EngineRefusedError):
            return

    async def _until_quiet(self) -> None:
        """Return once following has ended; on a swarm, which never ends it, once nothing comes."""
        while self._is_followed and not self._is_quiet:  # noqa: ASYNC110 - many pieces, one look
            await anyio.sleep(_QUIET_S / 10)

    @property
    def _is_quiet(self) -> bool:
        return anyio.current_time() - self._read_at >= _QUIET_S

    def close(self) -> None:
        """Write no more."""
        self._following.cancel()
        self._log.close()

    async def _read(self, *, follow: bool) -> None:
        rest = b""
        # One that is cancelled may still write what it has: the next one begins after that.
        async with self._reading:
            # The engine takes the moment as included, and mixes two streams that it stamps apart.
            known, written = self._last, self._written
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
                # Of a line that comes in parts each has a stamp.
                stamp = _STAMP.match(piece) if rest else None
                part = piece[stamp.end() :] if stamp else piece
                *lines, rest = (rest + part).split(b"\n")
                written = self._write(lines, known, written)
                self._read_at = anyio.current_time()
            if rest:
                self._write([rest], known, written)

    def _write(self, lines: list[bytes], known: str, written: int) -> int:
        """Write lines, but for those up to a stamp, and the first ones that have it.

        Returns:
            How many that have it are still to be left out.
        """
        new: list[bytes] = []
        for line in lines:
            stamp = _stamp_of(line)
            if stamp and stamp == known and written:
                written -= 1
            elif stamp and stamp >= known:
                new.append(line)
        if new:
            self._append(new)
        return written

    def _append(self, new: list[bytes]) -> None:
        for line in new:
            stamp, _, text = line.partition(b" ")
            moment = stamp[:_STAMP_BYTES].ljust(_STAMP_BYTES, b"0") + b"Z "
            for start in range(0, max(len(text), 1), MAX_LINE_BYTES):
                self._log.file.write(moment + text[start : start + MAX_LINE_BYTES] + b"\n")
        if self._log.file.tell() > MAX_LOG_BYTES:
            self._log.rotate()
        stamps = [_stamp_of(line) for line in new]
        last = max(self._last, *stamps)
        self._written = stamps.count(last) + (self._written if last == self._last else 0)
        self._last = last
        self._mark.write_text(f"{last} {self._written}")


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

    def follow(self, instance: Instance, tasks: TaskGroup, log_file: Path) -> None:
        """Follow a replica's output until it ends.

        Args:
            instance: The replica.
            tasks: Where that goes on.
            log_file: Where the lines go.
        """
        instance.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        followed = FollowedLog(
            self._api,
            self._path_of(instance),
            log_file=log_file,
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
    (run_dir / _MARK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run_dir.rmdir()


def _stamp_of(line: bytes) -> str:
    """`2026-11-26T03:56:21.007123456Z`, padded so that stamps compare as text; empty for none."""
    found = _STAMP.match(line)
    return f"{found[1].decode()}.{(found[2] or b'').decode().ljust(9, '0')}Z" if found else ""


def _read_mark(mark: Path) -> tuple[str, int]:
    """A stamp, and how many lines had it; one that was written without a number stands for all."""
    content = mark.read_bytes()
    stamp, _, written = content.partition(b" ")
    return _stamp_of(stamp), int(written) if written.isdigit() else sys.maxsize


def _as_seconds(stamp: str) -> str:
    """Seconds and nanoseconds, as the API takes them."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(f"{whole}+00:00")
    return f"{int(moment.timestamp())}.{fraction}"
