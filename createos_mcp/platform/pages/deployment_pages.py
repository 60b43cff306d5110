"""Pages of one deployment: its state, its build log while it grows, and its scan."""

import json
from collections.abc import AsyncGenerator

from starlette.types import ASGIApp

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import NotFoundError
from createos_mcp.platform.pages.event_streams import EventStream, event
from createos_mcp.platform.pages.rendering import render_text
from createos_mcp.platform.pages.visits import PageRoute, Visit, read_number, text_file
from createos_mcp.platform.states import UNFINISHED

LOOK_S = 0.3
LINES_SHOWN = 2000
"""Of a long log the page has the newest lines; the rest is in `build.txt`."""


async def show_deployment(visit: Visit) -> ASGIApp:
    """State, reason, build log, source and what can be done."""
    place = visit.place
    project_place = {"project_id": place["project_id"]}
    deployment = await visit.perform("GetDeployment", **place)
    log = await visit.perform("GetBuildLogs", **place)
    return visit.show(
        "deployment.html",
        project=await visit.perform("GetProject", **project_place),
        deployment=deployment,
        log=with_stages(log[-LINES_SHOWN:]),
        hidden=max(0, len(log) - LINES_SHOWN),
        is_over=deployment["status"] not in UNFINISHED,
        environments=await visit.perform("ListProjectEnvironments", **project_place),
        scan=await _find_scan(visit),
    )


async def stream_deployment(visit: Visit) -> ASGIApp:
    """The state whenever it changes, and lines of the build log until the deployment is done."""
    query = visit.request.query_params.get("after", "0")
    after = visit.request.headers.get("last-event-id", query)
    number = read_number(after) or 0
    # Whoever may not see the deployment is told before the stream begins.
    await visit.perform("GetDeployment", **visit.place)
    return EventStream(_changes(visit, number), may_go_on=visit.may_go_on)


async def _changes(visit: Visit, after: int) -> AsyncGenerator[str, None]:
    lines: list[Json] = []

    async def look() -> tuple[str, str, list[Json], int]:
        deployment = await visit.perform("GetDeployment", **visit.place)
        lines.extend(await visit.perform("GetBuildLogs", **visit.place, skip=len(lines)))
        shown = render_text("_deployment_state.html", deployment=deployment)
        return deployment["status"], shown, lines, len(lines)

    state = ""
    topic = ("deployment", visit.place["deployment_id"])
    async with visit.watchers.watching(topic, look, interval_s=LOOK_S) as changes:
        async for status, shown, log, count in changes:
            if new := log[after:count]:
                after = count
                yield event("lines", _as_json(new), id=str(after))
            if shown != state:
                state = shown
                yield event("swap", shown)
            if status not in UNFINISHED:
                yield event("end", status)
                return


def _as_json(lines: list[Json]) -> str:
    rows = [[line["lineNumber"], line["stage"], last_state(line["log"])] for line in lines]
    return json.dumps(rows)


def with_stages(log: list[Json]) -> list[Json]:
    """Lines with the name of their stage where it begins, and an empty one elsewhere."""
    before = ""
    shown = []
    for line in log:
        stage = line["stage"] if line["stage"] != before else ""
        before = line["stage"]
        shown.append({"number": line["lineNumber"], "stage": stage, "text": line["log"]})
    return shown


async def download_build_log(visit: Visit) -> ASGIApp:
    """The whole build log as text."""
    log = await visit.perform("GetBuildLogs", **visit.place)
    text = "".join(f"{line['ts']} {line['stage']:<9} {line['log']}\n" for line in log)
    return text_file(text, f"build-{visit.place['deployment_id'][:8]}.txt")


async def _find_scan(visit: Visit) -> Json:
    """The scan of the deployment; None where there is none."""
    try:
        return await visit.perform("GetSecurityScan", **visit.place)
    except NotFoundError:
        return None


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/projects/{project_id}/deployments/{deployment_id}", show_deployment),
    PageRoute("/projects/{project_id}/deployments/{deployment_id}/events", stream_deployment),
    PageRoute("/projects/{project_id}/deployments/{deployment_id}/build.txt", download_build_log),
)
