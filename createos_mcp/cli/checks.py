"""Checks of what a call needs wherever it goes: settings, key, address, connection, clock."""

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal, TypeAlias

import httpx2

from createos_mcp.cli.commands import Invocation
from createos_mcp.client.http import HttpResponse, Timeouts, send_request, translated
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import BackendError, SettingError
from createos_mcp.settings.settings import CLOUD_URL, Settings

Status: TypeAlias = Literal["ok", "warn", "fail"]

KEY_PREFIX = "skp_"

ME = "/v1/users/me"
"""Path that answers whoever has a good key, and changes nothing."""

_DRIFT_S = 60
"""From here on times that the platform states, of tokens for one, are off."""

_ANSWER_BYTES = 100_000
_PROGRAM_TIMEOUT_S = 10

_NEW_KEY = "make a new one in the CreateOS console and set CREATEOS_API_KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What one check found."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
    """What to do; empty when all is well."""


def examine_settings(invocation: Invocation) -> Iterator[CheckResult]:
    """Settings that cannot be used: unknown, empty, unexpanded, of another kind."""
    for problem in invocation.problems:
        yield CheckResult(
            name="settings",
            status="fail",
            detail=str(problem),
            remedy=f"Correct or remove {problem.name} where your client sets it.",
        )
    if not invocation.problems:
        yield CheckResult(name="settings", status="ok", detail="all can be used")


def check_key(invocation: Invocation) -> Iterator[CheckResult]:
    """Whether there is a key, and whether it looks like one; the key is never shown."""
    settings = invocation.settings
    if "CREATEOS_API_KEY" in {problem.name for problem in invocation.problems}:
        return
    if settings.api_key and settings.access_token:
        yield CheckResult(
            name="key",
            status="warn",
            detail="both a key and an access token are set; the key is used",
            remedy="Remove CREATEOS_API_KEY or CREATEOS_ACCESS_TOKEN.",
        )
    if not settings.api_key:
        yield _without_key(settings)
        return
    problem = _key_problem(invocation.environ.get("CREATEOS_API_KEY", ""), settings.api_key)
    if problem is None:
        yield CheckResult(name="key", status="ok", detail="present, and looks like one")
    else:
        yield problem


def _without_key(settings: Settings) -> CheckResult:
    if settings.access_token:
        return CheckResult(name="key", status="ok", detail="an access token is used")
    if settings.is_local:
        return CheckResult(
            name="key", status="ok", detail="none; calls go to the platform on this machine"
        )
    return CheckResult(
        name="key",
        status="fail",
        detail="none, and CREATEOS_API_URL names a platform that wants one",
        remedy="Set CREATEOS_API_KEY, or remove CREATEOS_API_URL to use this machine.",
    )


def _key_problem(raw: str, key: str) -> CheckResult | None:
    try:
        Credentials(api_key=key)
    except SettingError as error:
        return CheckResult(name="key", status="fail", detail=str(error), remedy=f"Or {_NEW_KEY}.")
    if raw != raw.strip():
        return CheckResult(
            name="key",
            status="warn",
            detail="blanks or line ends stand around it; they are left out",
            remedy="Set CREATEOS_API_KEY without them; other programs may send them.",
        )
    if not key.startswith(KEY_PREFIX):
        return CheckResult(
            name="key",
            status="warn",
            detail=f"it does not begin with {KEY_PREFIX}, as keys of CreateOS do",
            remedy=f"If calls are refused, {_NEW_KEY}.",
        )
    return None


def check_address(settings: Settings) -> tuple[ApiTarget | None, CheckResult]:
    """Where calls go; None when that is the local platform or cannot be used."""
    if settings.is_local:
        return None, CheckResult(name="address", status="ok", detail="the platform on this machine")
    credentials = Credentials(access_token=settings.access_token)
    try:
        credentials = Credentials(api_key=settings.api_key, access_token=settings.access_token)
        target = ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=credentials)
    except SettingError as error:
        remedy = f"Correct {error.name}."
        return None, CheckResult(name="address", status="fail", detail=str(error), remedy=remedy)
    return target, CheckResult(name="address", status="ok", detail=target.base_url)


async def check_connection(target: ApiTarget, settings: Settings) -> list[CheckResult]:
    """One real call: whether the platform answers, takes the key, and has the same time."""
    try:
        answer = await _call_platform(target, settings)
    except BackendError as error:
        detail = target.credentials.mask(str(error))
        remedy = "Check the network, a proxy (HTTPS_PROXY) and CREATEOS_API_URL."
        return [CheckResult(name="platform", status="fail", detail=detail, remedy=remedy)]
    now = datetime.now(UTC)
    return [*_read_status(answer.status), *check_clock(answer.headers, now)]


async def _call_platform(target: ApiTarget, settings: Settings) -> HttpResponse:
    limits = Timeouts(
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        write_timeout_s=settings.read_timeout_s,
        pool_timeout_s=settings.connect_timeout_s,
        total_timeout_s=settings.total_timeout_s,
        answer_bytes=_ANSWER_BYTES,
    )
    address = target.base_url.rstrip("/") + ME
    # A proxy of the environment cannot reach this machine's own platform.
    uses_proxies = not target.base_url.startswith("http://")
    with translated(limits, target.base_url):
        async with httpx2.AsyncClient(
            timeout=limits.timeouts(), trust_env=uses_proxies, headers=target.credentials.headers()
        ) as client:
            return await send_request(client, client.build_request("GET", address), _ANSWER_BYTES)


def _read_status(status: int) -> Iterator[CheckResult]:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        yield CheckResult(name="platform", status="ok", detail="it answers")
        yield CheckResult(
            name="key accepted",
            status="fail",
            detail=f"the platform refuses it: HTTP {status}",
            remedy=f"Check that it belongs to this platform, or {_NEW_KEY}.",
        )
    elif status == HTTPStatus.OK:
        yield CheckResult(name="platform", status="ok", detail="it answers")
        yield CheckResult(name="key accepted", status="ok", detail="by one call")
    else:
        yield CheckResult(
            name="platform",
            status="fail",
            detail=f"it answers HTTP {status} where it should know you",
            remedy="Check CREATEOS_API_URL; if it is right, try again later.",
        )


def check_clock(headers: Mapping[str, str], now: datetime) -> Iterator[CheckResult]:
    """Compare the clock of this machine with the `Date` of an answer, where there is one."""
    try:
        stated = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return
    drift_s = (now - stated).total_seconds()
    if abs(drift_s) < _DRIFT_S:
        yield CheckResult(name="clock", status="ok", detail="as the platform's")
        return
    yield CheckResult(
        name="clock",
        status="warn",
        detail=f"{abs(drift_s):.0f} s {'ahead of' if drift_s > 0 else 'behind'} the platform's",
        remedy="Set this machine's clock, by NTP for one.",
    )


def check_programs(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Versions of what runs here."""
    own = f"createos-mcp {version('createos-mcp')}, mcp {version('mcp')}"
    python = f"Python {platform.python_version()}"
    found = [_ask_version(program, environ) for program in ("uv", "node")]
    detail = ", ".join([own, python, *found])
    yield CheckResult(name="versions", status="ok", detail=detail)


def _ask_version(program: str, environ: Mapping[str, str]) -> str:
    path = shutil.which(program, path=environ.get("PATH"))
    if path is None:
        return f"no {program}"
    try:
        said = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_PROGRAM_TIMEOUT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return f"{program} that does not run"
    return f"{program} {said.removeprefix(program).strip().partition(' ')[0]}"
