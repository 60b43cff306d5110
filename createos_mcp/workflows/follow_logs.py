"""FollowLogs: what an app prints from now on, told while it comes, for a bounded time."""

from collections.abc import Mapping

import anyio

from createos_mcp.answers.logs import view_log
from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_environment, find_project
from createos_mcp.workflows.workspace import Workspace

DEFAULT_S = 30
LONGEST_WITHOUT_PROGRESS_S = 50
"""Clients without progress give up after 60 s."""

_PAUSE_S = 1.0
_OVERLAP_S = 5
"""Looks overlap by this, so that no line falls between two of them."""

_LINES_SHOWN = 5
_LINES_KEPT = 200


async def follow_logs(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """Read an environment's log again and again; each new line is a notice of progress.

    Returns:
        `{"environment", "seconds", "lines", "log", "next"}`: the lines that came meanwhile, the
        last 200 of them.

    Raises:
        CallError: There is no such environment, or it has no log.
    """
    project = await find_project(call, arguments["project_id"])
    environment = await find_environment(call, project, arguments.get("environment_id"))
    seconds = arguments.get("seconds", DEFAULT_S)
    if not call.shows_progress:
        seconds = min(seconds, LONGEST_WITHOUT_PROGRESS_S)
    tail = _Tail(await _read(call, project, environment))
    end = anyio.current_time() + seconds
    came: list[str] = []
    while anyio.current_time() < end:
        await anyio.sleep(min(_PAUSE_S, max(0.0, end - anyio.current_time())))
        new = tail.advance(await _read(call, project, environment))
        if new:
            came += new
            await call.report(str(view_log("\n".join(new), {}, most=_LINES_SHOWN)))
    return {
        "environment": environment["uniqueName"],
        "seconds": seconds,
        "lines": len(came),
        "log": view_log("\n".join(came), {}, most=_LINES_KEPT),
        "next": "Call FollowLogs again to go on; GetProjectEnvironmentLogs shows what came before.",
    }


async def _read(
    call: ToolCall, project: Mapping[str, Json], environment: Mapping[str, Json]
) -> list[str]:
    data = await call.operate(
        "GetProjectEnvironmentLogs",
        project_id=project["id"],
        environment_id=environment["id"],
        **{"since-seconds": _OVERLAP_S},
    )
    return [line for line in str(data or "").split("\n") if line.strip()]


class _Tail:
    """The end of a log that grows, read in pieces that overlap."""

    def __init__(self, lines: list[str]) -> None:
        self._last = lines

    def advance(self, lines: list[str]) -> list[str]:
        """The lines that were not in the piece before."""
        before, self._last = self._last, lines
        for shared in range(min(len(before), len(lines)), 0, -1):
            if before[-shared:] == lines[:shared]:
                return lines[shared:]
        return lines
