"""Status: what serves where, of all projects or of one app, in one call."""

import time
from collections.abc import Mapping

import anyio

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.rollback import GOOD
from createos_mcp.workflows.verdicts import address_of, is_worker
from createos_mcp.workflows.workspace import Workspace

_PAGE = 20
_AT_ONCE = 4
_WEEK_S = 7 * 24 * 3600 - 60
"""Within what counts of requests are kept for."""

_RECENT = 20
_MEASURED = ("usage", "latency")
"""What the local platform says of memory, processor and time to answer."""

_BAD = frozenset({"build_error", "crashing", "error"})


async def show_status(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """State, address, version and requests of everything that serves, and what does not.

    Returns:
        `{"projects": [{"project", "environment", "state", "version", "url", "requests",
        "failed5xx", "usage", "latency", ...}], "next"}`; `unused` marks what had no request for
        a week.
    """
    projects = await _list_projects(call, arguments.get("app_id"))
    found: dict[str, list[Json]] = {}
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def look(project: Mapping[str, Json]) -> None:
        async with limit:
            found[project["id"]] = await _rows(call, project)

    async with anyio.create_task_group() as looks:
        for project in projects:
            looks.start_soon(look, project)
    rows = [row for project in projects for row in found[project["id"]]]
    services = await _services(call)
    return {
        "projects": rows,
        **({"services": services} if services else {}),
        "next": _advise(rows, services),
    }


async def _services(call: ToolCall) -> list[Json]:
    """Databases and caches of the local platform: state, size, connections and last backup."""
    if not call.is_local:
        return []
    rows = []
    for service in await call.operate("ListServices") or []:
        shown = await call.operate("GetService", service_id=service["id"])
        backups = shown["backups"]
        rows.append(
            {
                "service": shown["name"],
                "kind": f"{shown['kind']} {shown['version']}",
                "state": shown["status"],
                **({"reason": shown["reason"]} if shown["reason"] else {}),
                "dataMb": shown["dataMb"],
                "connections": shown["connections"],
                "lastBackup": backups[0]["createdAt"] if backups else None,
                "boundTo": [
                    f"{one['project']} ({one['environment']})" for one in shown["bindings"]
                ],
            }
        )
    return rows


async def _list_projects(call: ToolCall, app_id: str | None) -> list[Json]:
    operation = "ListProjects" if app_id is None else "ListProjectsByApp"
    place = {} if app_id is None else {"app_id": app_id}
    projects: list[Json] = []
    while True:
        page = await call.operate(operation, **place, limit=_PAGE, offset=len(projects))
        rows = page.get("data") or []
        projects += rows
        if len(rows) < _PAGE:
            return projects


async def _rows(call: ToolCall, project: Mapping[str, Json]) -> list[Json]:
    """One row for each environment; one that says why for a project that cannot be read."""
    named = {"project": project["uniqueName"]}
    try:
        environments = await call.operate("ListProjectEnvironments", project_id=project["id"])
        page = await call.operate("ListDeployments", project_id=project["id"], limit=_RECENT)
        deployments = (page or {}).get("data") or []
        return [
            {**named, **await _row(call, project, row, deployments)} for row in environments or ()
        ]
    except (ApiError, BackendError) as error:
        return [{**named, "state": project.get("status"), "unread": str(error)}]


async def _row(
    call: ToolCall,
    project: Mapping[str, Json],
    environment: Mapping[str, Json],
    deployments: list[Json],
) -> dict[str, Json]:
    newest = deployments[0] if deployments else None
    row: dict[str, Json] = {"environment": environment["uniqueName"]}
    serving_id = environment.get("projectDeploymentId")
    if not serving_id:
        return {**row, "state": _unserved(newest)}
    serving: Mapping[str, Json] = next((one for one in deployments if one["id"] == serving_id), {})
    place = {"project_id": project["id"], "environment_id": environment["id"]}
    row |= {
        "state": serving.get("status") or environment.get("status"),
        "version": serving.get("versionNumber"),
        "since": serving.get("createdAt"),
        **({"worker": True} if is_worker(environment) else {"url": address_of(environment)}),
        **await _requests(call, place),
    }
    if newest and newest["id"] != serving_id and newest.get("status") in _BAD:
        row["newest"] = f"v{newest.get('versionNumber')} {newest['status']}"
    extra = environment.get("extra") or {}
    restarts = extra.get("restarts")
    return {
        **row,
        **({"restarts": restarts} if restarts else {}),
        **{name: extra[name] for name in _MEASURED if isinstance(extra.get(name), dict)},
    }


def _unserved(newest: Mapping[str, Json] | None) -> str:
    """The state of an environment that serves nothing: a deployment that is good went elsewhere."""
    if newest is None:
        return "never deployed"
    return "empty" if newest["status"] in GOOD else str(newest["status"])


async def _requests(call: ToolCall, place: Mapping[str, str]) -> dict[str, Json]:
    """Of the last hour; whether there were any in the last week where it had none."""
    operation = "GetProjectEnvironmentAnalyticsOverallRequests"
    hour = await call.operate(operation, **place)
    total, failed = int(hour.get("total") or 0), int(hour.get("server") or 0)
    counts: dict[str, Json] = {"requests": total, "failed5xx": failed}
    if not total:
        week = await call.operate(operation, **place, start=int(time.time()) - _WEEK_S)
        if not week.get("total"):
            counts["unused"] = True
    return counts


def _advise(rows: list[Json], services: list[Json]) -> str:
    wrong = [
        row["project"]
        for row in rows
        if row.get("state") in _BAD or row.get("failed5xx") or row.get("restarts")
    ]
    stopped = [row["service"] for row in services if row["state"] in {"failed", "read_only"}]
    if stopped:
        return f"Call GetService for {', '.join(stopped)}; its reason says what to do."
    if not rows:
        return "There is no project: Deploy makes one."
    if wrong:
        return f"Call Diagnose for {', '.join(dict.fromkeys(wrong))}."
    return "Nothing failed in the last hour; requests are counted for that time."
