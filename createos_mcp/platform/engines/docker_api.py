"""The API of Docker over its socket, which Podman speaks, too: https://docs.docker.com/reference/api/engine/."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError

NEWEST_VERSION = (1, 47)
LEAST_VERSION = (1, 41)
"""Docker 20.10; the first that tells usage at once."""

_CONNECT_TIMEOUT_S = 5
_CALL_TIMEOUT_S = 60
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
_TIMEOUT = aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
_SHORT = aiohttp.ClientTimeout(total=_CONNECT_TIMEOUT_S)
_FIRST_ERROR = 400
_FIRST_OWN_ERROR = 500
_RESTART_PAUSES_S = (0.2, 1.0, 1.0)
_FRAME_HEAD = 8
_PIECE_BYTES = 2**20
_SYSTEM_ERROR = 3
"""The stream of a frame in which an engine says why there is no more."""
_VERSION = re.compile(r"(\d+)\.(\d+)")


def find_socket(host: str, environ: Mapping[str, str]) -> str:
    """The address of an engine: as it is set, as `DOCKER_HOST` says, or the first that is there."""
    asked = host or environ.get("DOCKER_HOST", "")
    if asked:
        return asked
    runtime = environ.get("XDG_RUNTIME_DIR", "/nonexistent")
    places = [
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        "/run/podman/podman.sock",
        f"{runtime}/podman/podman.sock",
    ]
    if os.geteuid() != 0:  # whose own engine is the one that it may use
        places.sort(key=lambda place: not place.startswith(runtime))
    found = next((place for place in places if Path(place).exists()), places[0])
    return f"unix://{found}"


def is_podman(version: Mapping[str, Json]) -> bool:
    """Whether it is Podman that says this of its version."""
    parts = [part for part in version.get("Components") or () if isinstance(part, dict)]
    return any("Podman" in str(part.get("Name")) for part in parts)


class DockerApi:
    """A client of one engine; an async context manager.

    Args:
        host: `unix:///var/run/docker.sock`, or `tcp://` for an engine of this machine.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._version = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        lasts: bool = False,
        **query: Json,
    ) -> Json:
        """One call; its answer as JSON, or as text where it is none.

        Args:
            method: Of HTTP.
            path: Below the version, `containers/json`.
            body: Sent as JSON.
            headers: Further ones.
            lasts: Whether it may take as long as it likes.
            query: Parameters; what is no text is sent as JSON.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer.
        """
        limit = _NO_TIMEOUT if lasts else _TIMEOUT
        try:
            async with await self._request(
                method, path, query, limit=limit, body=body, headers=headers
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineAwayError(self.host, _describe(error)) from error
        return _checked(answer, content)

    async def start_container(self, container: str) -> None:
        """Start one that was created, again where its first process died on the way.

        `cannot start a stopped process` is met on busy machines, and a later start works. Where it
        was in an overlay, the start after that may not find the network.

        Raises:
            EngineRefusedError: The engine said no; what it said first.
            EngineAwayError: It does not answer.
        """
        path = f"containers/{container}/start"
        try:
            await self.call("POST", path)
        except EngineRefusedError as first:
            if first.status < _FIRST_OWN_ERROR:
                raise
            for pause_s in _RESTART_PAUSES_S:
                await asyncio.sleep(pause_s)
                with contextlib.suppress(EngineRefusedError):
                    await self.call("POST", path)
                    return
            raise

    async def stream(
        self,
        method: str,
        path: str,
        *,
        data: AsyncIterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Json,
    ) -> AsyncIterator[Json]:
        """JSON values as they come: pulls, builds, events.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer any more.
        """
        try:
            async with await self._request(
                method, path, query, limit=_NO_TIMEOUT, headers=headers, data=data
            ) as answer:
                if answer.status >= _FIRST_ERROR:
                    _checked(answer, await answer.read())
                async for line in _lines(answer.content):
                    yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineAwayError(self.host, _describe(error)) from error

    async def frames(self, path: str, **query: Json) -> AsyncIterator[bytes]:
        """What a container without a terminal prints, in pieces.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer any more.
        """
        try:
            async with await self._request("GET", path, query, limit=_NO_TIMEOUT) as answer:
                if answer.status >= _FIRST_ERROR:
                    _checked(answer, await answer.read())
                while True:
                    head = await answer.content.readexactly(_FRAME_HEAD)
                    piece = await answer.content.readexactly(int.from_bytes(head[4:], "big"))
                    if head[0] == _SYSTEM_ERROR:
                        raise EngineAwayError(self.host, piece.decode(errors="replace").strip())
                    yield piece
        except asyncio.IncompleteReadError:
            return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineAwayError(self.host, _describe(error)) from error

    async def content(self, path: str) -> AsyncIterator[bytes]:
        """A file of any size, in pieces.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer any more.
        """
        try:
            async with await self._request("GET", path, {}, limit=_NO_TIMEOUT) as answer:
                if answer.status >= _FIRST_ERROR:
                    _checked(answer, await answer.read())
                async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineAwayError(self.host, _describe(error)) from error

    async def info(self) -> Mapping[str, Json]:
        """What the engine says of its machine; nothing where a proxy before it keeps that back.

        Raises:
            EngineAwayError: It does not answer.
        """
        try:
            told: Mapping[str, Json] = await self.call("GET", "info")
        except EngineRefusedError:
            return {}
        return told

    async def version(self) -> Mapping[str, Json]:
        """What the engine says of itself, the newest version of the API that both know in it.

        Raises:
            EngineAwayError: There is none, or one that is too old.
        """
        try:
            async with self._open().get("http://engine/version", timeout=_SHORT) as answer:
                told: dict[str, Json] = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise EngineAwayError(self.host, _describe(error)) from error
        theirs = _read_version(told.get("ApiVersion"))
        if theirs < LEAST_VERSION:
            raise EngineAwayError(self.host, "it is older than Docker 20.10")
        chosen = min(theirs, max(NEWEST_VERSION, _read_version(told.get("MinAPIVersion"))))
        self._version = f"v{chosen[0]}.{chosen[1]}"
        return told

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Json],
        *,
        limit: aiohttp.ClientTimeout,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        data: AsyncIterator[bytes] | bytes | None = None,
    ) -> "aiohttp.client._RequestContextManager":
        if not self._version:
            await self.version()
        return self._open().request(
            method,
            f"http://engine/{self._version}/{path}",
            params={k: v if isinstance(v, str) else json.dumps(v) for k, v in query.items()},
            json=body,
            data=data,
            headers=headers,
            timeout=limit,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            parts = urlsplit(self.host)
            connector: aiohttp.BaseConnector
            if parts.scheme == "unix":
                connector = aiohttp.UnixConnector(parts.path, limit=0)
            else:
                connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _describe(error: Exception) -> str:
    """What the system says of a socket, where it is that; otherwise the error's own words."""
    told = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else None
    return told or str(error) or type(error).__name__


def _read_version(text: Json) -> tuple[int, int]:
    found = _VERSION.match(str(text or ""))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _checked(answer: aiohttp.ClientResponse, content: bytes) -> Json:
    is_json = answer.content_type == "application/json" and content
    if answer.status >= _FIRST_ERROR:
        told = json.loads(content) if is_json else {}
        raise EngineRefusedError(answer.status, str(told.get("message") or answer.reason))
    return json.loads(content) if is_json else content.decode(errors="replace")


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length, as they come."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if rest.strip():
        yield rest
