"""Services of the local platform: found or made for an app, and bound to it."""

import re
from collections.abc import Mapping, Sequence

import anyio

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Json
from createos_mcp.workflows.causes import Cause
from createos_mcp.workflows.lookups import find_environment

KINDS: Mapping[str, str] = {
    "postgres": "DATABASE_URL",
    "valkey": "REDIS_URL",
    "mariadb": "DATABASE_URL",
    "mongodb": "MONGODB_URI",
    "minio": "S3_ENDPOINT",
}
"""Kinds, and the variable that a binding has by default."""

_START_TIMEOUT_S = 300.0
"""Of an image's service with its pull."""

_POLL_S = 0.25
_MAX_NAME = 32

_BY_ENGINE = frozenset({"mariadb", "mongodb", "minio"})
"""Kinds that need a container engine, which the machine may not have."""

_SIGNS: Mapping[str, re.Pattern[str]] = {
    "mongodb": re.compile(r"MONGO|[Mm]ongo|\b27017\b"),
    "mariadb": re.compile(r"MYSQL|[Mm]y[Ss][Qq][Ll]|MARIADB|[Mm]aria[Dd][Bb]|\b3306\b"),
    "valkey": re.compile(r"REDIS|[Rr]edis|VALKEY|[Vv]alkey|\b6379\b"),
    "postgres": re.compile(
        r"DATABASE_URL|POSTGRES|PG(?:HOST|PORT|USER|PASSWORD|DATABASE)|DB_(?:HOST|URL|NAME)|[Pp]ostgres|psycopg"
        r"|asyncpg|\b5432\b"
    ),
}
_CAUSES = frozenset(
    {
        "cache-unreachable",
        "database-auth",
        "database-missing",
        "database-unreachable",
        "variable-missing",
    }
)


def suggest_service(cause: Cause, log: str) -> str | None:
    """The step that gives an app the service that its log asks for; None for none."""
    if cause.name not in _CAUSES:
        return None
    text = cause.reason if cause.name == "variable-missing" else log
    for kind, sign in _SIGNS.items():
        if sign.search(text):
            needs = "With Docker here, deploy" if kind in _BY_ENGINE else "Deploy"
            return (
                f'{needs} again with services ["{kind}"]: it makes one and sets {KINDS[kind]}. '
                "For a database elsewhere, set its address with SetEnvironmentVariables."
            )
    return None


async def check_services(
    call: ToolCall, project: Mapping[str, Json] | None, name: str, wanted: Sequence[str]
) -> None:
    """Return if services can be had, before anything is made for them.

    Those that may not be had on this machine are made first.

    Args:
        call: The call that this is part of.
        project: The project, if it is there.
        name: What it will be called otherwise.
        wanted: Names of services, or kinds.

    Raises:
        CallError: Calls go to the cloud, a name is neither a service nor a kind, or the platform
            refuses a kind.
    """
    if not wanted:
        return
    if not call.is_local:
        raise _invalid("the cloud has none; services belong to the local platform")
    there = [row["name"] for row in await call.operate("ListServices") or []]
    for one in wanted:
        if one not in there and one not in KINDS:
            known = ", ".join((*there, *KINDS))
            raise _invalid(f"{one!r} is neither a service nor a kind of one: {known}")
    for one in wanted:
        if one in _BY_ENGINE and one not in there:
            await _find_or_create(call, project or {"uniqueName": name}, one)


async def bind_services(
    call: ToolCall, project: Mapping[str, Json], wanted: Sequence[str], environment: str | None
) -> None:
    """Bind services to a project's environment; what is bound there already stays.

    Args:
        call: The call that this is part of.
        project: A project that is there.
        wanted: Names of services, or kinds, of which one is made for the project.
        environment: Name or ID; None for the only one, or `production`.

    Raises:
        InvalidArgumentsError: A service does not run.
    """
    if not wanted:
        return
    home = await find_environment(call, project, environment)
    for name in wanted:
        service = await _find_or_create(call, project, name)
        shown = await _until_running(call, service)
        if home["id"] not in {row["environmentId"] for row in shown["bindings"]}:
            bound = await call.operate(
                "BindService",
                service_id=service["id"],
                projectId=project["id"],
                environmentId=home["id"],
            )
            call.done.append(f"{bound['variable']} leads to the service {shown['name']}")


async def _find_or_create(call: ToolCall, project: Mapping[str, Json], name: str) -> Json:
    services = {row["name"]: row for row in await call.operate("ListServices") or []}
    if name in services:
        return services[name]
    own = _name_for(project, name)
    if own in services:
        return services[own]
    made = await call.operate("CreateService", name=own, kind=name)
    call.done.append(f"the service {own} was created")
    return made


def _name_for(project: Mapping[str, Json], kind: str) -> str:
    """`shop-postgres`, as names of services are spelled."""
    base = re.sub(r"[^a-z0-9-]", "-", str(project["uniqueName"]).lower()).lstrip("-0123456789")
    return f"{base[: _MAX_NAME - len(kind) - 1] or 'app'}-{kind}"


async def _until_running(call: ToolCall, service: Mapping[str, Json]) -> Json:
    with anyio.move_on_after(_START_TIMEOUT_S):
        while True:
            shown = await call.operate("GetService", service_id=service["id"])
            if shown["status"] != "starting":
                break
            await anyio.sleep(_POLL_S)
    if shown["status"] in {"failed", "starting"}:
        raise _invalid(f"{shown['name']} does not run: {shown['reason'] or 'it still starts'}")
    return shown


def _invalid(message: str) -> InvalidArgumentsError:
    return InvalidArgumentsError([Problem(path="services", message=message)])
