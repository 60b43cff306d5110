"""Verdicts: what became of a deployment, and what to do next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from createos_mcp.answers.logs import view_log
from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.values import Json
from createos_mcp.workflows.causes import find_cause
from createos_mcp.workflows.managed_services import suggest_service
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

_RECENT = 20
"""Deployments that are looked up for their versions."""

_WAIT_LINES = 3
_BUILD_MINUTES = 15
_NOT_FOUND_AT_ROOT = 400
_SERVER_ERROR = 500

WORKER_STEP = "It runs as a worker, without an address: GetDeploymentLogs shows what it does."


async def describe_result(
    call: ToolCall, project: Mapping[str, Json], deployment: Mapping[str, Json]
) -> Json:
    """Say what became of a deployment, and what each environment serves now.

    Returns:
        `{"status", "live", "finished", "project", "deployment_id", "version", "next"}`, with
        `environments` of those that serve it, `url` and `health` of one that is live;
        `supersededBy` of one that another has replaced; `stage`, `log` and `cause` of one that
        failed, and `stillServing` of what the environments go on with.
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
    if status in UNFINISHED:
        return {**facts, **await _describe_wait(call, project, deployment)}
    served = await find_served(call, project["id"])
    if status == "deployed":
        return {**facts, **await _see_page(deployment, served)}
    others = [row.shown for row in served if row.deployment_id != deployment["id"]]
    if status == "sleeping" and others and is_newer(served, deployment):
        step = "A newer version has replaced it: tell the user the address of that one."
        return {**facts, "status": "superseded", "supersededBy": others, "next": step}
    still = {"stillServing": others} if others else {}
    return {**facts, **await explain_failure(call, deployment), **still}


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """What an environment serves."""

    environment: str
    deployment_id: str
    version: int | None
    url: str | None

    @property
    def shown(self) -> dict[str, Json]:
        """As results show it."""
        shown = {"name": self.environment, "version": self.version, "url": self.url}
        return {name: value for name, value in shown.items() if value is not None}


async def find_served(call: ToolCall, project_id: str) -> list[Served]:
    """What the environments of a project serve, those without a deployment left out.

    Nothing where the environments cannot be read: a verdict is worth something without them.
    """
    try:
        listed = await call.operate("ListProjectEnvironments", project_id=project_id)
        rows = listed if isinstance(listed, list) else []
        serving = [row for row in rows if row.get("projectDeploymentId")]
        if not serving:
            return []
        page = await call.operate("ListDeployments", project_id=project_id, limit=_RECENT)
    except (ApiError, BackendError):
        return []
    versions = {row["id"]: row.get("versionNumber") for row in (page or {}).get("data") or []}
    return [
        Served(
            environment=row["uniqueName"],
            deployment_id=row["projectDeploymentId"],
            version=versions.get(row["projectDeploymentId"]),
            url=address_of(row),
        )
        for row in serving
    ]


def is_newer(served: Sequence[Served], deployment: Mapping[str, Json]) -> bool:
    """Whether an environment serves a later version than this deployment's."""
    own = deployment.get("versionNumber") or 0
    return any((row.version or 0) > own for row in served)


async def _describe_wait(
    call: ToolCall, project: Mapping[str, Json], deployment: Mapping[str, Json]
) -> dict[str, Json]:
    """How far a deployment is, for who waits: stage, last lines, since when nothing was said."""
    place = {"project_id": project["id"], "deployment_id": deployment["id"]}
    rows = await call.operate("GetBuildLogs", **place)
    lines = [row for row in rows or () if isinstance(row, dict)]
    last = lines[-1] if lines else {}
    silent_s = _seconds_since(last.get("ts") or deployment.get("updatedAt"))
    named = f'{{"project_id": "{project["uniqueName"]}", "deployment_id": "{deployment["id"]}"}}'
    waited = f"Silent for {silent_s} s; " if silent_s is not None else ""
    return {
        **({"stage": last["stage"]} if last.get("stage") else {}),
        "log": "\n".join(str(row.get("log", "")) for row in lines[-_WAIT_LINES:]),
        **({"silentSeconds": silent_s} if silent_s is not None else {}),
        "next": f"{waited}a build may take {_BUILD_MINUTES} minutes. Call WaitForDeployment "
        f"{named}, or stop it: CancelDeployment {named}.",
    }


def _seconds_since(moment: Json) -> int | None:
    try:
        then = datetime.fromisoformat(str(moment))
        return max(0, round((datetime.now(UTC) - then).total_seconds()))
    except (ValueError, TypeError):
        return None


async def explain_failure(call: ToolCall, deployment: Mapping[str, Json]) -> dict[str, Json]:
    """Stage, end of the log, likely cause and next step of a deployment that is not live."""
    stage, own, log = await _failed_stage(call, deployment)
    reason = str(deployment.get("reason") or deployment.get("cancelReason") or "")
    code = str(deployment.get("reasonCode") or "")
    status = str(deployment.get("status"))
    # Whatever an earlier stage complained about, it went on.
    cause = find_cause(status, code, f"{reason}\n{own.strip() or log}")
    step = suggest_service(cause, f"{reason}\n{log}") if call.is_local else None
    return {"stage": stage, "log": log, "cause": cause.reason, "next": step or cause.next}


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


async def _see_page(deployment: Mapping[str, Json], served: Sequence[Served]) -> dict[str, Json]:
    """What answers where a deployment is served, and what may be said of it."""
    own = [row for row in served if row.deployment_id == deployment["id"]]
    others = [row.shown for row in served if row not in own]
    elsewhere = {"elsewhere": others} if others else {}
    if is_worker(deployment):
        return {"worker": True, **elsewhere, "next": WORKER_STEP}
    addresses = [(row.environment, row.url) for row in own if row.url]
    if not addresses:
        return {**elsewhere, **await _see_own_page(deployment)}
    answers = [(name, url, await probe(url)) for name, url in addresses]
    environments = [
        {"name": name, "version": deployment.get("versionNumber"), "url": url, **answer_of(health)}
        for name, url, health in answers
    ]
    name, url, health = answers[0]
    return {
        "url": url,
        "health": {"page": health.page} if health.status is not None else describe_health(health),
        "environments": environments,
        **elsewhere,
        "next": _say(name, url, health),
    }


async def _see_own_page(deployment: Mapping[str, Json]) -> dict[str, Json]:
    """What answers at the address of a deployment that no environment serves."""
    assign = (
        f'AssignDeploymentToProjectEnvironment {{"deploymentId": "{deployment["id"]}"}} with an '
        "environment_id lets that one serve it."
    )
    url = address_of(deployment)
    if url is None:
        return {"environments": [], "next": f"It has no address: {assign}"}
    health = await probe(url)
    if health.status is not None and health.status < _NOT_FOUND_AT_ROOT:
        step = f"It answers at {url}, and no environment serves it. {assign}"
    else:
        step = f"No environment serves it. {_say('', url, health)}"
    return {"url": url, "health": describe_health(health), "environments": [], "next": step}


def answer_of(health: Probe) -> dict[str, Json]:
    """The status that an address answered with, or that it did not."""
    return {"answered": health.status} if health.status is not None else {"answered": False}


def _say(environment: str, url: str, health: Probe) -> str:
    """What may be told to the user: no more than was seen."""
    if health.status is None:
        return f"{url} does not answer ({health.problem}): call Diagnose."
    if health.status >= _SERVER_ERROR:
        return f"{url} answers {health.status}: read GetDeploymentLogs, or call Diagnose."
    if health.status >= _NOT_FOUND_AT_ROOT:
        return (
            f"It runs, but / answers {health.status}: request a path that the app has before "
            "you tell the user that it works."
        )
    return f"Tell the user that it is live in {environment}, with the url."


async def _failed_stage(call: ToolCall, deployment: Mapping[str, Json]) -> tuple[str, str, str]:
    """The stage in which a deployment failed, the log of that stage, and the whole."""
    place = {"project_id": deployment["projectId"], "deployment_id": deployment["id"]}
    rows = await call.operate("GetBuildLogs", **place)
    build_log = str(view_log(rows, {"tail": LOG_LINES}))
    if deployment.get("status") == _BUILD_FAILED:
        stage = _last_stage(rows, deployment.get("reason"))
        return stage, _log_of(rows, stage), build_log
    app_log = await _app_log(call, place)
    new = [line for line in app_log.splitlines() if _TIME.sub("", line) not in build_log]
    own = "\n".join([_log_of(rows, _last_stage(rows, deployment.get("reason"))), *new])
    return _START_STAGE, own, "\n".join([build_log, *new])


def _log_of(rows: Json, stage: str) -> str:
    return str(view_log(rows, {"stage": stage, "tail": LOG_LINES}))


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
