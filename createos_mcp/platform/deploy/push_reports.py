"""Push reports: what who pushed sees in the terminal while their commits are built."""

from collections.abc import AsyncIterator

import anyio

from createos_mcp.platform.deploy.pushes import PushOutcome
from createos_mcp.platform.gateway.addresses import app_url
from createos_mcp.platform.models import Deployment, Project
from createos_mcp.platform.states import UNFINISHED, DeploymentStatus
from createos_mcp.platform.store.store import Store

_POLL_S = 0.2
_LINE_CHARACTERS = 200


async def report_push(store: Store, outcome: PushOutcome) -> AsyncIterator[str]:
    """Lines until everything that a push began has ended.

    The build goes on when its reader leaves.
    """
    for note in outcome.notes:
        yield note
    for project, deployment in outcome.deployments:
        async for line in _report(store, project, deployment):
            yield line


async def _report(store: Store, project: Project, begun: Deployment) -> AsyncIterator[str]:
    name = f"{project.unique_name} v{begun.version}"
    yield f"{name}: building {begun.id}"
    shown = 0
    while True:
        present = await store.deployments.get(begun.id)
        lines = await store.deployments.build_log(begun.id, skip=shown)
        shown += len(lines)
        for line in lines:
            yield f"  {line.log[:_LINE_CHARACTERS]}"
        if present is None:
            yield f"{name}: deleted"
            return
        if present.status not in UNFINISHED and not lines:
            yield await _verdict(store, name, present)
            return
        await anyio.sleep(_POLL_S)


async def _verdict(store: Store, name: str, deployment: Deployment) -> str:
    if deployment.status is not DeploymentStatus.DEPLOYED:
        return f"{name}: {deployment.status}. {deployment.reason or ''}".rstrip()
    environments = await store.environments.of(deployment.project_id)
    serving = [one for one in environments if one.deployment_id == deployment.id]
    if deployment.is_worker:
        return f"{name}: runs, as a worker without an address"
    if not serving:
        own = f" at {app_url(deployment.port)}" if deployment.port else ""
        return f"{name}: runs{own}; no environment takes this branch"
    places = ", ".join(f"{one.unique_name} {app_url(one.port)}" for one in serving)
    return f"{name}: live at {places}"
