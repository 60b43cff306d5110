"""Logs of containers, followed into the files that replicas of every engine have."""

from datetime import datetime
from pathlib import Path

import anyio

from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError
from createos_mcp.platform.sandbox.launcher_output import MAX_LINE_BYTES, MAX_LOG_BYTES, Log

_RETRY_S = 1.0
_STAMP_BYTES = len("2026-11-26T03:56:21.007")


class FollowedLog:
    """One container's output, each line once, also over a cut of the connection.

    Args:
        log_file: Where the lines go.
        mark: Remembers the engine's stamp of the last line, for the platform's next run.
    """

    def __init__(self, api: DockerApi, container_id: str, *, log_file: Path, mark: Path) -> None:
        self._api = api
        self._id = container_id
        self._mark = mark
        self._last = mark.read_text() if mark.exists() else ""
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = Log(str(log_file))
        self._reading = anyio.Lock()

    async def follow(self) -> None:
        """Write what comes until the container has ended and nothing more comes."""
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
        try:
            await self._read(follow=False)
        except (EngineAwayError, EngineRefusedError):
            return

    def close(self) -> None:
        """Write no more."""
        self._log.close()

    async def _read(self, *, follow: bool) -> None:
        rest = b""
        path = f"containers/{self._id}/logs"
        async with self._reading:
            # The engine takes the moment as included, and mixes two streams that it stamps apart.
            known = self._last
            since = {"since": _as_seconds(known)} if known else {}
            pieces = self._api.frames(
                path, stdout="1", stderr="1", timestamps="1", follow="1" if follow else "0", **since
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
