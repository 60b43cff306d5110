"""Diagnose: what is wrong with a project, from everything that tells, and what was looked at."""

import re
from collections.abc import Mapping, Sequence

from createos_mcp.answers.logs import view_log
from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.causes import known_cause_in
from createos_mcp.workflows.lookups import find_environments, find_project
from createos_mcp.workflows.managed_services import suggest_service
from createos_mcp.workflows.probe import Probe, probe
from createos_mcp.workflows.rollback import GOOD
from createos_mcp.workflows.verdicts import (
    address_of,
    describe_health,
    explain_failure,
    is_worker,
)
from createos_mcp.workflows.waiting import UNFINISHED
from createos_mcp.workflows.workspace import Workspace

_DEPLOYMENTS = 5
_ENVIRONMENTS = 5
"""How many are looked at."""

_MOST_STEPS = 3
_ERROR_LINES = 3
_PATHS = 3
_HOUR_S = 3600
_MOST_MEMORY_MB = 1024
_NEARLY_ALL = 0.9
_SLOW_MS = 2000

_WELL = frozenset({"deployed", *UNFINISHED})
_REPLACED = frozenset({"sleeping"})
"""States of a newest deployment that say nothing bad of it."""

_LIVE = "deployed"
_ERROR = re.compile(r"\b(?:error|exception|traceback|panic|fatal|critical)\b", re.IGNORECASE)
_NO_ERROR = re.compile(r"\b(?:0 errors|no errors?|without errors?)\b", re.IGNORECASE)


async def diagnose(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """Read a project's state in all places, ask its addresses, and say what to do next.

    Returns:
        `{"project", "environments", "deployments", "failure", "domains", "lookedAt", "next",
        "unread"}`; `failure` is there when the newest deployment is not live, and without a step
        to take `next` says what was looked at.
    """
    project = await find_project(call, arguments["project_id"])
    diagnosis = _Diagnosis(call, project)
    deployments = await diagnosis.read_deployments()
    environments = await diagnosis.read_environments()
    domains = await diagnosis.read_domains()
    cron_jobs = await diagnosis.read_cron_jobs()
    return {
        "project": {name: project.get(name) for name in ("uniqueName", "id", "type", "status")},
        "environments": environments,
        "deployments": deployments,
        **diagnosis.failure,
        "domains": domains,
        **({"cronJobs": cron_jobs} if cron_jobs else {}),
        **(
            {"lookedAt": diagnosis.seen, "next": diagnosis.steps[:_MOST_STEPS]}
            if diagnosis.steps
            else {"next": [_all_well(diagnosis.seen)]}
        ),
        **({"unread": diagnosis.unread} if diagnosis.unread else {}),
    }


def _all_well(seen: Sequence[str]) -> str:
    return f"Nothing wrong was seen: {'; '.join(seen)}. Other paths were not requested."


class _Diagnosis:
    """One project being examined."""

    def __init__(self, call: ToolCall, project: Mapping[str, Json]) -> None:
        self._call = call
        self._project = project
        self._has_former = False
        self.failure: dict[str, Json] = {}
        self.steps: list[str] = []
        self.seen: list[str] = []
        """What was looked at, and what was there."""
        self.unread: list[str] = []
        """What could not be read, and why."""

    async def read_deployments(self) -> Json:
        page = await self._read("ListDeployments", limit=_DEPLOYMENTS)
        rows = (page or {}).get("data") or []
        if not rows:
            self.steps.append("Nothing has been deployed yet: call Deploy.")
            return []
        newest = rows[0]
        self._has_former = any(row.get("status") in GOOD for row in rows[1:])
        if newest.get("status") in UNFINISHED:
            self.steps.append(f"The newest deployment is {newest['status']}: WaitForDeployment.")
        if newest.get("status") not in _WELL | _REPLACED:
            await self._explain(newest["id"])
        self.seen.append(f"the newest deployment is {newest.get('status')}")
        return [_show_deployment(row) for row in rows]

    async def read_environments(self) -> Json:
        rows = await find_environments(self._call, self._project["id"])
        return [await self._show_environment(row) for row in rows[:_ENVIRONMENTS]]

    async def read_domains(self) -> Json:
        rows = await self._read("ListDomains") or []
        for row in rows:
            if row.get("status") != "active":
                self.steps.append(
                    f"The domain {row['name']} is {row.get('status')}: set its DNS records, "
                    "then call RefreshDomain."
                )
        return [
            {
                "name": row["name"],
                "status": row.get("status"),
                "environment": row.get("environmentId"),
                "dnsMessage": row.get("message"),
            }
            for row in rows
        ]

    async def read_cron_jobs(self) -> Json:
        """Jobs whose last run failed."""
        page = await self._read("ListCronjobs")
        rows = page.get("data") if isinstance(page, dict) else page
        failed = []
        for row in rows if isinstance(rows, list) else ():
            listed = await self._read("ListCronjobActivities", cronjob_id=row["id"])
            runs = listed.get("data") if isinstance(listed, dict) else listed
            ended = [run for run in runs or () if run.get("success") is not None]
            if ended and not ended[0]["success"]:
                failed.append({"name": row.get("name"), "statusCode": ended[0].get("statusCode")})
                self.steps.append(f"The last run of the cron job {row.get('name')} failed.")
        return failed

    async def _explain(self, deployment_id: str) -> None:
        deployment = await self._read("GetDeployment", deployment_id=deployment_id)
        if deployment is None:
            return
        facts = await explain_failure(self._call, deployment)
        self.failure = {"failure": {"deployment_id": deployment_id, **facts}}
        self.steps.append(f"The newest deployment: {facts['cause']}. {facts['next']}")

    async def _show_environment(self, row: Mapping[str, Json]) -> Json:
        name, url = row["uniqueName"], address_of(row)
        shown: dict[str, Json] = {
            "name": name,
            "status": row.get("status"),
            "deployment_id": row.get("projectDeploymentId"),
            "resources": row.get("resources"),
            "variables": sorted((row.get("settings") or {}).get("runEnvs") or ()),
            "url": url,
        }
        if not row.get("projectDeploymentId"):
            return shown
        # Before its address is requested: that would count among the requests.
        shown |= await self._read_requests(name, row["id"])
        shown |= self._read_exits(name, row)
        self._read_measures(name, row)
        failed = (shown.get("lastHour") or {}).get("failed5xx")
        shown |= await self._read_errors(name, row["id"], explain=bool(failed))
        if is_worker(row):
            self.seen.append(f"{name} runs a worker, which has no address")
            return {**shown, "worker": True}
        if not url:
            return shown
        health = await probe(url)
        self.seen.append(f"/ of {name} answers {health.status or 'nothing'}")
        self._advise_on(name, health)
        return {
            **shown,
            "health": describe_health(health),
            **await self._ask_health_path(name, url),
        }

    async def _ask_health_path(self, name: str, url: str) -> dict[str, Json]:
        """What answers at the path that the project's settings name, where they name one."""
        path = (self._project.get("settings") or {}).get("healthPath")
        if not isinstance(path, str):
            return {}
        health = await probe(f"{url.rstrip('/')}{path}")
        self.seen.append(f"{path} of {name} answers {health.status or 'nothing'}")
        if health.status is None or health.status >= _CLIENT_ERROR:
            self.steps.append(
                f"The health path {path} of {name} answers {health.status or 'nothing'}: read "
                "GetProjectEnvironmentLogs."
            )
        return {"healthPath": {"path": path, **describe_health(health)}}

    def _read_measures(self, name: str, row: Mapping[str, Json]) -> None:
        """Memory against its limit, and how long requests took, where the platform says it."""
        extra = row.get("extra") or {}
        usage, latency = extra.get("usage"), extra.get("latency")
        if isinstance(usage, dict):
            used, limit = usage.get("memoryMb") or 0, usage.get("memoryLimitMb") or 1
            self.seen.append(f"{name} uses {used} of {limit} MB of memory")
            if used >= _NEARLY_ALL * limit:
                self.steps.append(f"{name} uses {used} of {limit} MB. {_more_memory(limit)}")
        if isinstance(latency, dict):
            slow_ms = latency.get("p95Ms") or 0
            self.seen.append(f"95% of the requests to {name} took at most {slow_ms} ms")
            if slow_ms >= _SLOW_MS:
                self.steps.append(
                    f"One request in 20 to {name} takes {slow_ms} ms or more: see what it waits "
                    "for in GetProjectEnvironmentLogs, or add replicas."
                )

    async def _read_requests(self, name: str, environment_id: str) -> dict[str, Json]:
        place = {"environment_id": environment_id}
        counts = await self._read("GetProjectEnvironmentAnalyticsOverallRequests", **place)
        if not isinstance(counts, dict):
            return {}
        total, failed = int(counts.get("total") or 0), int(counts.get("server") or 0)
        self.seen.append(f"{failed} of {total} requests to {name} failed in the last hour")
        shown: dict[str, Json] = {"lastHour": {"requests": total, "failed5xx": failed}}
        if not failed:
            return shown
        rows = await self._read("GetProjectEnvironmentAnalyticsTopErrorPaths", **place) or []
        paths = [
            {name: row.get(name) for name in ("path", "status", "count")}
            for row in rows
            if isinstance(row, dict) and str(row.get("status", "")).startswith("5")
        ][:_PATHS]
        where = f", most at {paths[0]['path']}" if paths else ""
        self.steps.append(
            f"{failed} of {total} requests to {name} failed with 5xx in the last hour{where}: "
            "read GetProjectEnvironmentLogs."
        )
        return {"lastHour": {"requests": total, "failed5xx": failed, "paths": paths}}

    def _read_exits(self, name: str, row: Mapping[str, Json]) -> dict[str, Json]:
        extra = row.get("extra") or {}
        last = extra.get("lastExit")
        if not isinstance(last, dict):
            return {}
        reason, restarts = str(last.get("reason")), extra.get("restarts")
        self.seen.append(f"{name} restarted {restarts} times")
        step = f"{name} restarted {restarts} times, the last time: {reason}."
        memory_mb = (row.get("resources") or {}).get("memory") or 0
        if "out of memory" in reason:
            step += f" {_more_memory(memory_mb)}"
        self.steps.append(step)
        return {"restarts": restarts, "lastExit": last}

    async def _read_errors(
        self, name: str, environment_id: str, *, explain: bool
    ) -> dict[str, Json]:
        """The last lines of the log that speak of an error, and what may be behind them."""
        data = await self._read(
            "GetProjectEnvironmentLogs",
            environment_id=environment_id,
            **{"since-seconds": _HOUR_S},
        )
        lines = str(view_log(data, {})).splitlines() if data else []
        errors = [line for line in lines if _ERROR.search(line) and not _NO_ERROR.search(line)]
        self.seen.append(f"{len(errors)} lines of {name}'s log of the last hour tell of errors")
        if not errors:
            return {}
        shown = {"log": "\n".join(errors[-_ERROR_LINES:])}
        log = "\n".join(lines)
        cause = known_cause_in(log, _LIVE) if explain else None
        if cause is None:
            return {"errors": shown}
        step = suggest_service(cause, log) if self._call.is_local else None
        self.steps.append(f"The log of {name} shows that {cause.reason}. {step or cause.next}")
        return {"errors": {**shown, "cause": cause.reason}}

    def _advise_on(self, name: str, health: Probe) -> None:
        if health.is_good and (health.status or 0) < _CLIENT_ERROR:
            return
        if health.is_good:
            step = "the app runs; ask the user for a path that it has"
        else:
            step = "read GetProjectEnvironmentLogs"
            if self._has_former:
                step += "; Rollback goes back to the last good deployment"
        self.steps.append(f"/ of {name} answers {health.status or 'nothing'}: {step}.")

    async def _read(self, operation: str, **arguments: Json) -> Json:
        """What an operation answers; None, and a note, where it fails."""
        try:
            return await self._call.operate(operation, project_id=self._project["id"], **arguments)
        except (ApiError, BackendError) as error:
            self.unread.append(f"{operation}: {error}")
            return None


_CLIENT_ERROR = 400
_TO_THE_MINUTE = len("2026-11-26T03:56")


def _more_memory(limit_mb: int) -> str:
    if limit_mb < _MOST_MEMORY_MB:
        return "Give it more with UpdateProjectEnvironmentResources."
    return "It has the most that there is: let it use less, or run fewer workers."


def _show_deployment(row: Mapping[str, Json]) -> Json:
    reason = row.get("cancelReason")
    return {
        "id": row["id"],
        "version": row.get("versionNumber"),
        "status": row.get("status"),
        **({"reason": reason} if reason else {}),
        "createdAt": str(row.get("createdAt") or "")[:_TO_THE_MINUTE],
    }
