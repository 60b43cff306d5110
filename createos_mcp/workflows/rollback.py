"""Rollback: an environment back at its last good deployment."""

from collections.abc import Mapping, Sequence

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import NoEarlierDeploymentError
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_environment, find_project
from createos_mcp.workflows.switching import assign_and_wait
from createos_mcp.workflows.workspace import Workspace

GOOD = frozenset({"deployed", "sleeping"})
"""States of a deployment that has answered: one that sleeps did so before."""

_PAGE = 20


async def roll_back(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """Let an environment serve what it can go back to, and ask its address.

    Returns:
        `{"was", "now", "status", "url", "health", "environments", "next"}`; `environment` where
        none answers yet.

    Raises:
        NoEarlierDeploymentError: There is nothing to go back to.
        SwitchFailedError: The environment goes on with the one that it had.
    """
    project = await find_project(call, arguments["project_id"])
    environment = await find_environment(call, project, arguments.get("environment_id"))
    listed = await _list_deployments(call, project["id"])
    present = _find(listed, environment.get("projectDeploymentId"))
    target = await _choose_deployment(
        call, project, listed, present, arguments.get("deployment_id")
    )
    if target is None:
        raise NoEarlierDeploymentError(environment["uniqueName"])
    outcome = await assign_and_wait(call, project, environment, target["id"])
    named = {} if "environments" in outcome else {"environment": environment["uniqueName"]}
    return {
        **named,
        "was": _label_deployment(present),
        "now": _label_deployment(target),
        **outcome,
        "next": "Fix the newer version and deploy again; it is promoted automatically.",
    }


async def _choose_deployment(
    call: ToolCall,
    project: Mapping[str, Json],
    listed: Sequence[Mapping[str, Json]],
    present: Mapping[str, Json] | None,
    wanted: str | None,
) -> Mapping[str, Json] | None:
    if wanted is not None:
        found: Json = await call.operate(
            "GetDeployment", project_id=project["id"], deployment_id=wanted
        )
        return {"id": found["id"], **found}
    before = [row for row in listed if present is None or _version(row) < _version(present)]
    return next((row for row in before if row.get("status") in GOOD), None)


async def _list_deployments(call: ToolCall, project_id: str) -> list[Json]:
    """All of them, newest first."""
    rows: list[Json] = []
    while True:
        page = await call.operate(
            "ListDeployments", project_id=project_id, limit=_PAGE, offset=len(rows)
        )
        found = page.get("data") or []
        rows += found
        if len(found) < _PAGE:
            return sorted(rows, key=_version, reverse=True)


def _find(listed: Sequence[Mapping[str, Json]], deployment_id: Json) -> Mapping[str, Json] | None:
    return next((row for row in listed if row["id"] == deployment_id), None)


def _version(row: Mapping[str, Json]) -> tuple[int, str]:
    return row.get("versionNumber") or 0, str(row.get("createdAt", ""))


def _label_deployment(row: Mapping[str, Json] | None) -> Json:
    if row is None:
        return {}
    return {
        "deployment_id": row["id"],
        "version": row.get("versionNumber"),
        "createdAt": row.get("createdAt"),
    }
