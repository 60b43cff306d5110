"""The HTTP request of a cron job: checked when it is set, sent when it is due."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import anyio
import httpx2

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.models import Cronjob

USER_AGENT = "createos-cron"

# The most that a job can set.
DEFAULT_TIMEOUT_S = 5
# An activity is a row that is listed, not a place for pages.
LOG_BYTES = 4096
MAX_HEADERS_BYTES = 16 * 2**10

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""A header's value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5"""

_FRAMING = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding"}
    | {"upgrade"}
)
"""Headers that say how a message is sent, which is not for its author to say."""

_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CronResult:
    """How a run went."""

    success: bool
    status_code: int | None
    log: str


def check_request(settings: Mapping[str, Json]) -> None:
    """Refuse settings of a job that cannot be sent as an HTTP request.

    Raises:
        InvalidRequestError: The field that is wrong, and how it should be.
    """
    _check_request_path(settings["path"])
    _check_headers(settings.get("headers") or {})
    try:
        (settings.get("body") or "").encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("settings.body: not valid Unicode text.") from error


def open_client() -> httpx2.AsyncClient:
    """A client for `send`; each request has a connection of its own, since none may be repeated."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(limits=limits, timeout=None, trust_env=False)


async def send_cron_request(client: httpx2.AsyncClient, job: Cronjob) -> CronResult:
    """Send a job's request to the address of its environment, and keep the answer's beginning."""
    timeout_s = job.settings.get("timeoutInSeconds") or DEFAULT_TIMEOUT_S
    try:
        with anyio.fail_after(timeout_s):
            return await _exchange(client, job)
    except TimeoutError:
        reason = f"The app did not respond within {timeout_s} s."
    except httpx2.HTTPError as error:
        reason = f"The request failed: {str(error) or type(error).__name__}."
    return CronResult(success=False, status_code=None, log=reason)


async def _exchange(client: httpx2.AsyncClient, job: Cronjob) -> CronResult:
    body = job.settings.get("body")
    request = client.build_request(
        job.settings["method"],
        f"http://127.0.0.1:{job.environment_port}{job.settings['path']}",
        headers=_headers(job.settings.get("headers") or {}),
        content=None if body is None else body.encode(),
    )
    answer = await client.send(request, stream=True)
    try:
        beginning = b""
        async for chunk in answer.aiter_raw(LOG_BYTES):
            beginning += chunk
            if len(beginning) >= LOG_BYTES:
                break
    finally:
        await answer.aclose()
    return CronResult(
        success=HTTPStatus.OK <= answer.status_code < HTTPStatus.BAD_REQUEST,
        status_code=answer.status_code,
        log=beginning[:LOG_BYTES].decode(errors="replace").translate(_CONTROL),
    )


def _headers(given: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    own = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
    chosen = {**own, **{name.lower(): value for name, value in given.items()}}
    return [(name.encode(), value.encode("latin-1")) for name, value in chosen.items()]


def _check_request_path(path: str) -> None:
    reason = None
    if not path.startswith("/") or path.startswith("//"):
        reason = "it must begin with a single / and must not name a host"
    elif not path.isprintable() or " " in path or "\\" in path or "#" in path:
        reason = "spaces, control characters, \\ and # must be percent-encoded (%XX)"
    if reason is not None:
        raise InvalidRequestError(f"settings.path: {path[:100]!r} cannot be requested: {reason}.")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        where = f"settings.headers: {name[:100]!r}"
        if not _TOKEN.fullmatch(name):
            raise InvalidRequestError(f"{where} is not a header's name.")
        if name.lower() in _FRAMING:
            raise InvalidRequestError(f"{where} is set by the platform; leave it out.")
        if not _VALUE.fullmatch(value) or value != value.strip():
            raise InvalidRequestError(
                f"{where} has a value with line breaks, control characters, spaces around it "
                "or characters beyond Latin-1."
            )
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS_BYTES:
        raise InvalidRequestError(
            f"settings.headers: larger than {MAX_HEADERS_BYTES // 2**10} KB in total."
        )
