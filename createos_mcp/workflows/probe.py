"""Health: what an app answers at its address, found out by asking."""

from dataclasses import dataclass

import anyio
import httpx2

PAGE_CHARACTERS = 200
"""How much of a page is shown."""

_READ_BYTES = 4_000
_TIMEOUT_S = 5.0
_TOTAL_TIMEOUT_S = 8.0
"""Beside a wait of 50 s, below the 60 s after which clients give up."""

# An app that has just started may refuse the first requests.
_ATTEMPTS = 3
_PAUSE_S = 0.5
_PASSING = frozenset({502, 503, 504})
"""What a gateway says while an app is on its way."""

_FAULT = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One answer, or why there was none."""

    status: int | None
    page: str
    """Beginning of the body; text of other people."""
    problem: str
    """Why nothing answered; empty when something did."""

    @property
    def is_good(self) -> bool:
        """Whether the app answered, be it that this path is not one of its own."""
        return self.status is not None and self.status < _FAULT


async def probe(url: str) -> Probe:
    """Request an address, a few times where nothing answers or only the gateway does.

    A redirect is an answer and is not followed; no credentials are sent.
    """
    health = Probe(status=None, page="", problem=f"no response within {_TOTAL_TIMEOUT_S:g} s")
    with anyio.move_on_after(_TOTAL_TIMEOUT_S):
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    await anyio.sleep(_PAUSE_S)
                health = await _probe_once(client, url)
                if health.status is not None and health.status not in _PASSING:
                    break
    return health


async def _probe_once(client: httpx2.AsyncClient, url: str) -> Probe:
    try:
        async with client.stream("GET", url) as response:
            page = await _read_start(response)
            return Probe(status=response.status_code, page=page, problem="")
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        return Probe(status=None, page="", problem=str(error) or type(error).__name__)


async def _read_start(response: httpx2.Response) -> str:
    """The beginning of the body, also of one that never ends."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= _READ_BYTES:
            break
    text = content[:_READ_BYTES].decode(response.encoding or "utf-8", errors="replace")
    return text[:PAGE_CHARACTERS]
