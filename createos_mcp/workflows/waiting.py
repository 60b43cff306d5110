"""Waiting: for a deployment's last state, with notices of progress on the way."""

from collections.abc import Mapping

import anyio

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.values import Json

DEFAULT_S = 50
"""Clients without progress give up after 60 s."""

DEFAULT_WITH_PROGRESS_S = 900
"""A build may take 15 minutes."""

# Hosts give up on a call that is silent for 30 to 60 seconds.
HEARTBEAT_S = 10
_PAUSES_S = (0.2, 0.3, 0.5, 1.0, 2.0)
"""Between looks; the last one goes on."""

_SERVER_FAULT = 500
_LINES_SHOWN = 3

UNFINISHED = frozenset({"queue", "queued", "building", "deploying"})
"""States that a deployment leaves by itself."""


async def wait_for_deployment(
    call: ToolCall,
    project_id: str,
    deployment_id: str,
    timeout_s: int | None,
    *,
    whole_build: bool = False,
) -> Json:
    """The deployment in a state that lasts, or as it is when the call's time is over.

    The time counts from the beginning of the call, which may have uploaded something before. An
    outage of the platform meanwhile counts as a state that has not changed.

    Args:
        call: The call that waits.
        project_id: Whose deployment.
        deployment_id: Which one.
        timeout_s: How long; None for as long as the client has patience.
        whole_build: Whether every line of the build is told, a notice each; else the last three
            of each look.

    Raises:
        CallError: There is no such deployment, or nobody may read it.
    """
    if timeout_s is None:
        timeout_s = DEFAULT_WITH_PROGRESS_S if call.shows_progress else DEFAULT_S
    end = call.started_at + timeout_s
    deployment = await call.operate(
        "GetDeployment", project_id=project_id, deployment_id=deployment_id
    )
    watch = _Watch(call, project_id, deployment["id"], whole_build=whole_build)
    looks = 0
    while await watch.tell(deployment) in UNFINISHED:
        pause = min(_PAUSES_S[min(looks, len(_PAUSES_S) - 1)], end - anyio.current_time())
        if pause <= 0:
            break
        await anyio.sleep(pause)
        looks += 1
        deployment = await watch.look(deployment)
    return deployment


class _Watch:
    """What has been told of a deployment so far."""

    def __init__(
        self, call: ToolCall, project_id: str, deployment_id: str, *, whole_build: bool
    ) -> None:
        self._call = call
        self._whole_build = whole_build
        self._place = {"project_id": project_id, "deployment_id": deployment_id}
        self._status = ""
        self._lines = 0
        self._told_at = 0.0

    async def look(self, before: Mapping[str, Json]) -> Json:
        """The deployment now, or as it was when the platform does not answer."""
        try:
            return await self._call.operate("GetDeployment", **self._place)
        except BackendError:
            return before
        except ApiError as error:
            if error.status < _SERVER_FAULT:
                raise
            return before

    async def tell(self, deployment: Mapping[str, Json]) -> str:
        """Report a new state, new lines of the build, or that it goes on; returns the state."""
        status = str(deployment.get("status", ""))
        said = [status] if status != self._status else []
        if self._call.shows_progress or self._whole_build:
            said += await self._new_lines()
        now = anyio.current_time()
        if said or now - self._told_at >= HEARTBEAT_S:
            notices = said if self._whole_build and said else ["\n".join(said) or f"still {status}"]
            for notice in notices:
                await self._call.report(notice)
            self._told_at = now
        self._status = status
        return status

    async def _new_lines(self) -> list[str]:
        try:
            rows = await self._call.operate("GetBuildLogs", **self._place, skip=self._lines)
        except (ApiError, BackendError):
            return []
        if not isinstance(rows, list):
            return []
        self._lines += len(rows)
        lines = [str(row.get("log", "")) for row in rows if isinstance(row, dict)]
        return lines if self._whole_build else lines[-_LINES_SHOWN:]
