"""Diagnose: what is wrong with a project, from everything that tells."""

from collections.abc import Mapping, Sequence

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_environments, find_project
from createos_mcp.workflows.probe import Probe, probe
from createos_mcp.workflows.verdicts import address_of, describe_health, explain_failure
from createos_mcp.workflows.waiting import UNFINISHED
from createos_mcp.workflows.workspace import Workspace

_DEPLOYMENTS = 5
_ENVIRONMENTS = 5
"""How many are looked at."""

_WELL = frozenset({"deployed", *UNFINISHED})


async def diagnose(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """Read a project's state in all places, ask its addresses, and say what to do next.

    Returns:
        `{"project", "environments", "deployments", "failure", "domains", "next", "unread"}`;
        `failure` is there when the newest deployment is not live.
    """
    project = await find_project(call, arguments["project_id"])
    examination = _Diagnosis(call, project)
    deployments = await examination.read_deployments()
    environments = await examination.read_environments()
    domains = await examination.read_domains()
    return {
        "project": {name: project.get(name) for name in ("uniqueName", "id", "type", "status")},
        "environments": environments,
        "deployments": deployments,
        **examination.failure,
        "domains": domains,
        "next": examination.steps or ["Nothing is wrong here; GetProjectEnvironmentLogs has more."],
        **({"unread": examination.unread} if examination.unread else {}),
    }


class _Diagnosis:
    """One project being examined."""

    def __init__(self, call: ToolCall, project: Mapping[str, Json]) -> None:
        self._call = call
        self._project = project
        self.failure: dict[str, Json] = {}
        self.steps: list[str] = []
        self.unread: list[str] = []
        """What could not be read, and why."""

    async def read_deployments(self) -> Json:
        page = await self._read("ListDeployments", limit=_DEPLOYMENTS)
        rows = (page or {}).get("data") or []
        if not rows:
            self.steps.append("Nothing has been deployed yet: call Deploy.")
            return []
        newest = rows[0]
        if newest.get("status") in UNFINISHED:
            self.steps.append(f"The newest deployment is {newest['status']}: WaitForDeployment.")
        if newest.get("status") not in _WELL:
            await self._explain(newest["id"])
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

    async def _explain(self, deployment_id: str) -> None:
        deployment = await self._read("GetDeployment", deployment_id=deployment_id)
        if deployment is None:
            return
        facts = await explain_failure(self._call, deployment)
        self.failure = {"failure": {"deployment_id": deployment_id, **facts}}
        self.steps.append(f"The newest deployment: {facts['cause']}. {facts['next']}")

    async def _show_environment(self, row: Mapping[str, Json]) -> Json:
        url = address_of(row)
        shown = {
            "name": row["uniqueName"],
            "status": row.get("status"),
            "deployment_id": row.get("projectDeploymentId"),
            "resources": row.get("resources"),
            "variables": sorted((row.get("settings") or {}).get("runEnvs") or ()),
            "url": url,
        }
        if not url or not row.get("projectDeploymentId"):
            return shown
        health = await probe(url)
        self.steps += _steps_after(row["uniqueName"], health)
        return {**shown, "health": describe_health(health)}

    async def _read(self, operation: str, **arguments: Json) -> Json:
        """What an operation answers; None, and a note, where it fails."""
        try:
            return await self._call.operate(operation, project_id=self._project["id"], **arguments)
        except (ApiError, BackendError) as error:
            self.unread.append(f"{operation}: {error}")
            return None


def _steps_after(environment: str, health: Probe) -> Sequence[str]:
    if health.is_good:
        return []
    step = "read GetProjectEnvironmentLogs; Rollback goes back to the last good deployment."
    return [f"{environment} answers {health.status or 'nothing'}: {step}"]


def _show_deployment(row: Mapping[str, Json]) -> Json:
    return {
        "id": row["id"],
        "version": row.get("versionNumber"),
        "status": row.get("status"),
        "reason": row.get("cancelReason"),
        "createdAt": row.get("createdAt"),
    }
