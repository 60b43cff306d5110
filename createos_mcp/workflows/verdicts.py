"""Verdicts: what became of a deployment, and what to do next."""

import re
from collections.abc import Mapping
from typing import Any

from createos_mcp.answers.logs import view_log
from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError
from createos_mcp.contract.values import Json
from createos_mcp.workflows.causes import find_cause
from createos_mcp.workflows.probe import Probe, probe
from createos_mcp.workflows.waiting import UNFINISHED

LOG_LINES = 30
_SINCE_S = 3600
_NOT_LIVE = frozenset({404, 422})
"""What the platform answers when a deployment has no log of its app."""

_BUILD_FAILED = "build_error"
_TIME = re.compile(r"^\S+Z ")
"""When an app printed a line, where the log says so; the build's own log does not repeat it."""

_START_STAGE = "start"

WORKER_STEP = "It runs as a worker, without an address: GetDeploymentLogs shows what it does."


async def describe_result(
    call: ToolCall, project: Mapping[str, Json], deployment: Mapping[str, Json]
) -> Json:
    """Say what became of a deployment.

    Returns:
        `{"status", "live", "finished", "project", "deployment_id", "version", "next"}`, with `url`
        and `health` of one that is live, and `stage`, `log` and `cause` of one that failed.
    """
    status = str(deployment.get("status", ""))
    facts = {
        "status": status,
        "live": status == "deployed",
        "finished": status not in UNFINISHED,
        "project": project["uniqueName"],
        "deployment_id": deployment["id"],
    }
    if "versionNumber" in deployment:
        facts["version"] = deployment["versionNumber"]
    if status == "deployed":
        return {**facts, **await _see_page(call, project, deployment)}
    if status in UNFINISHED:
        again = f'WaitForDeployment {{"project_id": "{facts["project"]}", '
        return {**facts, "next": f'Call {again}"deployment_id": "{deployment["id"]}"}}.'}
    return {**facts, **await explain_failure(call, deployment)}


async def explain_failure(call: ToolCall, deployment: Mapping[str, Json]) -> dict[str, Json]:
    """Stage, end of the log, likely cause and next step of a deployment that is not live."""
    stage, log = await _failed_stage(call, deployment)
    reason = str(deployment.get("reason") or deployment.get("cancelReason") or "")
    code = str(deployment.get("reasonCode") or "")
    cause = find_cause(str(deployment.get("status")), code, f"{reason}\n{log}")
    return {"stage": stage, "log": log, "cause": cause.reason, "next": cause.next}


def describe_health(health: Probe) -> dict[str, Json]:
    """What an address answered, as results show it."""
    if health.status is None:
        return {"problem": health.problem}
    return {"answered": health.status, "page": health.page}


def address_of(holder: Mapping[str, Json]) -> str | None:
    """The address of an environment or a deployment; never built from names."""
    extra = holder.get("extra")
    endpoint = extra.get("endpoint") if isinstance(extra, dict) else None
    if not isinstance(endpoint, str) or not endpoint:
        return None
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def is_worker(holder: Mapping[str, Json]) -> bool:
    """Whether a deployment, or what an environment serves, has no address on purpose."""
    extra = holder.get("extra")
    return isinstance(extra, dict) and extra.get("worker") is True


async def _see_page(
    call: ToolCall, project: Mapping[str, Json], deployment: Mapping[str, Json]
) -> dict[str, Json]:
    listed = await call.operate("ListProjectEnvironments", project_id=project["id"])
    serving = [row for row in listed or () if row.get("projectDeploymentId") == deployment["id"]]
    if is_worker(deployment):
        return {"worker": True, "next": WORKER_STEP}
    addresses = [address_of(holder) for holder in (*serving, deployment)]
    url = next((address for address in addresses if address), None)
    if url is None:
        return {"next": "It has no address: assign it to an environment to give it one."}
    health = await probe(url)
    step = (
        f"Tell the user that it is live at {url}."
        if health.is_good
        else "Its URL does not respond well: read GetDeploymentLogs, or call Diagnose."
    )
    return {"url": url, "health": describe_health(health), "next": step}


async def _failed_stage(call: ToolCall, deployment: Mapping[str, Json]) -> tuple[str, str]:
    place = {"project_id": deployment["projectId"], "deployment_id": deployment["id"]}
    rows = await call.operate("GetBuildLogs", **place)
    build_log = str(view_log(rows, {"tail": LOG_LINES}))
    if deployment.get("status") == _BUILD_FAILED:
        return _last_stage(rows, deployment.get("reason")), build_log
    app_log = await _app_log(call, place)
    new = [line for line in app_log.splitlines() if _TIME.sub("", line) not in build_log]
    return _START_STAGE, "\n".join([build_log, *new])


def _last_stage(rows: Json, reason: Json) -> str:
    """The stage of the last line, but for the one that only repeats the reason."""
    known = [row for row in rows or () if isinstance(row, dict) and row.get("stage")]
    stages = [row["stage"] for row in known if row.get("log") != reason]
    return str(stages[-1]) if stages else "build"


async def _app_log(call: ToolCall, place: Mapping[str, Any]) -> str:
    try:
        data = await call.operate("GetDeploymentLogs", **place, **{"since-seconds": _SINCE_S})
    except ApiError as error:
        if error.status in _NOT_LIVE:
            return ""
        raise
    return str(view_log(data, {"tail": LOG_LINES}))
