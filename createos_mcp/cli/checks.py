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

from createos_mcp.calls.binding import bind
from createos_mcp.calls.references import References
from createos_mcp.cli.commands import Invocation
from createos_mcp.client.backend import Backend
from createos_mcp.client.http import HttpResponse, Timeouts, send_request, translated
from createos_mcp.client.target import ApiTarget, Credentials, known_target
from createos_mcp.contract.catalog import Catalog, load_catalog
from createos_mcp.contract.errors import (
    BackendError,
    CallError,
    KeyUnfilledError,
    SelectionError,
    SettingError,
)
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.server.toolsets import SETTINGS, Toolsets, offered
from createos_mcp.settings.settings import CLOUD_URL, Settings, unknown_variables

Status: TypeAlias = Literal["ok", "warn", "fail"]

KEY_PREFIX = "skp_"

ME = "/v1/users/me"
"""Path that answers whoever has a good key, and changes nothing."""

_DRIFT_S = 60
"""From here on times that the platform states, of tokens for one, are off."""

# Far more than a profile; a page of something else is not read to its end.
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
    """Settings that cannot be used, one by one and together, and variables that are no settings."""
    for problem in [*invocation.problems, *_selection_problems(invocation.settings)]:
        yield CheckResult(
            name="settings",
            status="fail",
            detail=str(problem),
            remedy=f"Correct or remove {problem.name} where your client sets it.",
        )
    for warning in unknown_variables(invocation.environ):
        yield CheckResult(name="settings", status="warn", detail=warning)
    for root in invocation.settings.deploy_roots:
        if not root.is_dir():
            yield CheckResult(
                name="settings",
                status="fail",
                detail=f"CREATEOS_DEPLOY_ROOTS: there is no directory {root}",
                remedy="Create it, or correct CREATEOS_DEPLOY_ROOTS.",
            )
    if not invocation.problems:
        yield CheckResult(name="settings", status="ok", detail="valid")


def _selection_problems(settings: Settings) -> Iterator[SettingError]:
    """Toolsets and tools that do not exist: the server would not start with them."""
    catalog = load_catalog(local=settings.is_local)
    toolsets = Toolsets(catalog.tools, catalog.on_request, catalog.references)
    try:
        toolsets.check(offered(settings), SETTINGS)
    except SelectionError as error:
        yield error


def check_key(invocation: Invocation) -> Iterator[CheckResult]:
    """Whether there is a key, and whether it looks like one; the key is never shown."""
    settings = invocation.settings
    if settings.api_key and settings.access_token:
        yield CheckResult(
            name="key",
            status="warn",
            detail="both a key and an access token are set; the key is used",
            remedy="Remove CREATEOS_API_KEY or CREATEOS_ACCESS_TOKEN.",
        )
    yield _examine_key(settings, invocation.environ)


def _examine_key(settings: Settings, environ: Mapping[str, str]) -> CheckResult:
    if settings.unfilled and not (settings.api_key or settings.access_token):
        error = KeyUnfilledError(settings.unfilled)
        return CheckResult(name="key", status="fail", detail=str(error), remedy=error.remedy)
    name, secret = "CREATEOS_API_KEY", settings.api_key
    if secret is None:
        name, secret = "CREATEOS_ACCESS_TOKEN", settings.access_token
    if secret is None:
        return _without_key(settings)
    try:
        Credentials(**{"api_key" if settings.api_key else "access_token": secret})
    except SettingError as error:
        return CheckResult(name="key", status="fail", detail=str(error), remedy=f"Or {_NEW_KEY}.")
    return _judge_key(name, environ.get(name, ""), secret)


def _judge_key(name: str, raw: str, secret: str) -> CheckResult:
    if raw != raw.strip():
        return CheckResult(
            name="key",
            status="warn",
            detail=f"{name} has surrounding whitespace (ignored)",
            remedy=f"Set {name} without it; other programs may send it.",
        )
    if name == "CREATEOS_ACCESS_TOKEN":
        return CheckResult(name="key", status="ok", detail="an access token is used")
    if not secret.startswith(KEY_PREFIX):
        return CheckResult(
            name="key",
            status="warn",
            detail=f"it does not begin with {KEY_PREFIX}, as keys of CreateOS do",
            remedy=f"If calls are refused, {_NEW_KEY}.",
        )
    return CheckResult(name="key", status="ok", detail="present, and has the form of a key")


def _without_key(settings: Settings) -> CheckResult:
    if settings.is_local:
        return CheckResult(
            name="key", status="ok", detail="none; calls go to the platform on this machine"
        )
    return CheckResult(
        name="key",
        status="fail",
        detail="none, and CREATEOS_API_URL names a platform that requires one",
        remedy="Set CREATEOS_API_KEY, or remove CREATEOS_API_URL to use this machine.",
    )


def check_address(settings: Settings) -> CheckResult:
    """Where calls go."""
    if settings.is_local:
        return CheckResult(name="address", status="ok", detail="the platform on this machine")
    try:
        target = ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=Credentials())
    except SettingError as error:
        remedy = f"Correct {error.name}."
        return CheckResult(name="address", status="fail", detail=str(error), remedy=remedy)
    return CheckResult(name="address", status="ok", detail=target.base_url)


def target_of(settings: Settings) -> ApiTarget:
    """Where calls go and with which credentials.

    Raises:
        SettingError: One of them cannot be used.
    """
    credentials = Credentials(api_key=settings.api_key, access_token=settings.access_token)
    return ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=credentials)


async def check_project(target: ApiTarget, settings: Settings) -> list[CheckResult]:
    """Whether the project that the settings pin exists, by looking it up."""
    if settings.project is None:
        return []
    catalog = load_catalog()
    async with Backend(known_target(target), attempts=1) as backend:

        async def fetch(operation: Operation, arguments: Arguments) -> Json:
            return await backend.send(bind(operation, arguments), operation.http)

        try:
            found = await References(catalog).resolve({"project_id": settings.project}, fetch)
            await fetch(_reader_of_projects(catalog), found)
        except CallError as error:
            detail = target.credentials.mask(str(error))
            remedy = "Correct CREATEOS_PROJECT, or create the project."
            return [CheckResult(name="project", status="fail", detail=detail, remedy=remedy)]
    return [CheckResult(name="project", status="ok", detail=f"{settings.project} exists")]


def _reader_of_projects(catalog: Catalog) -> Operation:
    return next(
        operation
        for operation in catalog.operations.values()
        if operation.http.method == "GET" and operation.http.path.endswith("/projects/{project_id}")
    )


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
        yield CheckResult(name="platform", status="ok", detail="responds")
        yield CheckResult(
            name="key accepted",
            status="fail",
            detail=f"the platform refuses it: HTTP {status}",
            remedy=f"Check that it belongs to this platform, or {_NEW_KEY}.",
        )
    elif status == HTTPStatus.OK:
        yield CheckResult(name="platform", status="ok", detail="responds")
        yield CheckResult(name="key accepted", status="ok", detail="yes, by one call")
    else:
        yield CheckResult(
            name="platform",
            status="fail",
            detail=f"unexpected response: HTTP {status}",
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
        yield CheckResult(name="clock", status="ok", detail="in sync with the platform")
        return
    yield CheckResult(
        name="clock",
        status="warn",
        detail=f"{abs(drift_s):.0f} s {'ahead of' if drift_s > 0 else 'behind'} the platform",
        remedy="Set this machine's clock, for example by NTP.",
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
        return f"{program} (does not run)"
    return f"{program} {said.removeprefix(program).strip().partition(' ')[0]}"
