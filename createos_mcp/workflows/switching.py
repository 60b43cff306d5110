"""Switching: an environment given a deployment, until it answers with it."""

from collections.abc import Mapping

import anyio

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import SwitchFailedError
from createos_mcp.contract.values import Json
from createos_mcp.workflows.lookups import find_environment
from createos_mcp.workflows.probe import probe
from createos_mcp.workflows.verdicts import address_of, answer_of, describe_health

TIMEOUT_S = 45
"""Below the 60 s after which clients give up."""

_PAUSE_S = 0.5
_BUSY = frozenset({"promoting", "updating", "resizing"})


async def assign_and_wait(
    call: ToolCall, project: Mapping[str, Json], environment: Mapping[str, Json], deployment_id: str
) -> dict[str, Json]:
    """Assign a deployment and wait for the environment to serve it.

    Returns:
        `{"status", "url", "health", "environments"}`, the last as in a verdict; `status` is a busy
        one, and nothing else is there, when the time is over.

    Raises:
        SwitchFailedError: The environment serves another one.
    """
    place = {"project_id": project["id"], "environment_id": environment["id"]}
    await call.operate("AssignDeploymentToProjectEnvironment", **place, deploymentId=deployment_id)
    present = await _settle(call, project, environment["id"])
    facts: dict[str, Json] = {"status": present["status"]}
    if present["status"] in _BUSY:
        return facts
    if present.get("projectDeploymentId") != deployment_id:
        reason = str((present.get("extra") or {}).get("message") or "it serves another deployment")
        raise SwitchFailedError(present["uniqueName"], reason)
    url = address_of(present)
    if url is None:
        return facts
    health = await probe(url)
    served: Json = await call.operate(
        "GetDeployment", project_id=project["id"], deployment_id=deployment_id
    )
    row = {
        "name": present["uniqueName"],
        "version": served.get("versionNumber"),
        "url": url,
        **answer_of(health),
    }
    page = {"page": health.page} if health.status is not None else describe_health(health)
    return {**facts, "url": url, "health": page, "environments": [row]}


async def _settle(call: ToolCall, project: Mapping[str, Json], environment_id: str) -> Json:
    """The environment once it is busy no more, or as it is when the time is over."""
    end = anyio.current_time() + TIMEOUT_S
    while True:
        present = await find_environment(call, project, environment_id)
        if present["status"] not in _BUSY or anyio.current_time() > end:
            return present
        await call.report(f"{present['uniqueName']} is {present['status']}")
        await anyio.sleep(_PAUSE_S)
