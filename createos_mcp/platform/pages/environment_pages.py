"""Pages of one environment: traffic, resources, variables, and what its app prints."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from anyio import to_thread
from starlette.types import ASGIApp

from createos_mcp.contract.values import Json, Schema
from createos_mcp.platform.api.analytics import width_of
from createos_mcp.platform.api.log_lines import MAX_TAIL, read_log_lines
from createos_mcp.platform.errors import NotFoundError
from createos_mcp.platform.gateway.traffic import Window
from createos_mcp.platform.pages.charts import draw
from createos_mcp.platform.pages.event_streams import EventStream, event
from createos_mcp.platform.pages.rendering import render_text
from createos_mcp.platform.pages.visits import PageRoute, Visit, text_file
from createos_mcp.platform.sandbox.log_cursors import ends_of

LOOK_S = 2.0
LOG_LOOK_S = 0.5
LINES_SHOWN = 500

WINDOWS: Mapping[str, tuple[str, int]] = {
    "1h": ("last hour", 3600),
    "24h": ("last 24 hours", 24 * 3600),
    "7d": ("last 7 days", 7 * 24 * 3600 - 60),
}
"""Of the traffic chart: a minute less than counts are kept for."""

LEVELS: Mapping[str, str] = {
    "error": r"error|exception|traceback|fatal|critical|panic",
    "warning": r"error|exception|traceback|fatal|critical|panic|warn(?:ing)?",
}
"""Words by which lines are told apart; a level shows what is worse, too."""


async def show_environment(visit: Visit) -> ASGIApp:
    """What serves, how it is used, and what can be changed."""
    place = visit.place
    project_place = {"project_id": place["project_id"]}
    chosen = visit.request.query_params.get("window", "1h")
    name, seconds = WINDOWS.get(chosen, WINDOWS["1h"])
    end = visit.performer.services.traffic.now_s()
    window = Window(start=end - seconds, end=end)
    bounds = {"start": window.start, "end": window.end}
    points = await visit.perform(
        "GetProjectEnvironmentAnalyticsRequestsOverTime", **place, **bounds
    )
    environment = await read_environment(visit)
    project = await visit.perform("GetProject", **project_place)
    own, shared = environment["settings"].get("runEnvs"), project["settings"].get("runEnvs")
    deployments = await visit.perform("ListDeployments", **project_place, limit=20)
    return visit.show(
        "environment.html",
        project=project,
        environment=environment,
        bounds=_resource_bounds(visit),
        serving=_serving(environment, deployments["data"]),
        candidates=_candidates(environment, deployments["data"]),
        chart=draw(points, start=window.start, end=window.end, width_s=width_of(window)),
        window=name,
        windows=[(key, words, key == chosen) for key, (words, _) in WINDOWS.items()],
        summary=await visit.perform("GetProjectEnvironmentAnalytics", **place, **bounds),
        variables=sorted(own or {}),
        inherited=sorted({*(shared or {})} - {*(own or {})}),
        log=(await _read_lines(visit, None, 50))["lines"],
    )


def _resource_bounds(visit: Visit) -> Mapping[str, Schema]:
    operation = visit.performer.catalog.operations["UpdateProjectEnvironmentResources"]
    bounds: Mapping[str, Schema] = operation.input_schema["properties"]
    return bounds


async def read_environment(visit: Visit) -> Json:
    """The environment that the path names.

    Raises:
        NotFoundError: The project has no such environment.
    """
    environment_id = visit.place["environment_id"]
    listed = await visit.perform("ListProjectEnvironments", project_id=visit.place["project_id"])
    for environment in listed:
        if environment["id"] == environment_id:
            return environment
    raise NotFoundError("environment", environment_id)


def _serving(environment: Json, deployments: Sequence[Json]) -> Json:
    served = environment["projectDeploymentId"]
    return next((one for one in deployments if one["id"] == served), None)


def _candidates(environment: Json, deployments: Sequence[Json]) -> list[Json]:
    """Deployments that could serve here: built ones, but for the one that does."""
    able = {"deployed", "sleeping", "crashing"}
    served = environment["projectDeploymentId"]
    return [one for one in deployments if one["status"] in able and one["id"] != served]


async def stream_environment(visit: Visit) -> ASGIApp:
    """State and usage whenever they change."""
    await read_environment(visit)
    return EventStream(_changes(visit), may_go_on=visit.may_go_on)


async def _changes(visit: Visit) -> AsyncGenerator[str, None]:
    async def look() -> str:
        environment = await read_environment(visit)
        deployments = await visit.perform(
            "ListDeployments", project_id=visit.place["project_id"], limit=20
        )
        serving = _serving(environment, deployments["data"])
        return render_text("_environment_state.html", environment=environment, serving=serving)

    topic = ("environment", visit.place["environment_id"])
    async with visit.watchers.watching(topic, look, interval_s=LOOK_S) as changes:
        async for shown in changes:
            yield event("swap", shown)


@dataclass(frozen=True, kw_only=True, slots=True)
class LineFilter:
    """Which lines of a log somebody wants to see."""

    text: str
    """What has to be in them, whatever its case."""
    level: str
    """One of LEVELS, or empty for all."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """As the query of a page says."""
        level = query.get("level", "")
        return cls(text=query.get("q", "")[:200], level=level if level in LEVELS else "")

    def shows(self, line: Mapping[str, Json]) -> bool:
        """Whether a line passes."""
        if self.text and self.text.lower() not in line["text"].lower():
            return False
        return not self.level or bool(
            re.search(rf"\b(?:{LEVELS[self.level]})", line["text"], re.IGNORECASE)
        )

    def to_query(self) -> str:
        """The same for the address of the stream."""
        return urlencode({"q": self.text, "level": self.level})


async def show_log(visit: Visit) -> ASGIApp:
    """The newest lines, filtered, and a stream of those that come."""
    environment = await read_environment(visit)
    query = visit.request.query_params
    wanted = LineFilter.of(query)
    read = await _read_lines(visit, None, MAX_TAIL)
    lines = [line for line in read["lines"] if wanted.shows(line)]
    return visit.show(
        "logs.html",
        project=await visit.perform("GetProject", project_id=visit.place["project_id"]),
        environment=environment,
        lines=lines[-LINES_SHOWN:],
        cursor=read["cursor"],
        several=environment["resources"]["replicas"] > 1,
        wanted=wanted,
        levels=list(LEVELS),
        wraps=query.get("wrap", "on") == "on",
    )


async def stream_logs(visit: Visit) -> ASGIApp:
    """Lines as they come, from a cursor on."""
    query = visit.request.query_params
    after = visit.request.headers.get("last-event-id") or query.get("after") or None
    # Whoever may not see it is told before the stream begins.
    await _read_lines(visit, after, 0)
    return EventStream(_new_lines(visit, after, LineFilter.of(query)), may_go_on=visit.may_go_on)


async def _new_lines(
    visit: Visit, after: str | None, wanted: LineFilter
) -> AsyncGenerator[str, None]:
    """Each reader has a cursor of its own; the watch tells when there is anything to read."""

    async def look() -> tuple[str | None, list[tuple[str, int, int]]]:
        environment = await read_environment(visit)
        deployment_id = environment["projectDeploymentId"]
        if deployment_id is None:
            return None, []
        logs = visit.performer.services.config.data_dir.app_logs(deployment_id)
        return deployment_id, await to_thread.run_sync(ends_of, logs / environment["id"])

    topic = ("log", visit.place["environment_id"])
    after = after or (await _read_lines(visit, None, 0))["cursor"]
    async with visit.watchers.watching(topic, look, interval_s=LOG_LOOK_S) as changes:
        async for _ in changes:
            while (read := await _read_lines(visit, after, 0))["cursor"] != after:
                after = read["cursor"]
                rows = [_log_row(line) for line in read["lines"] if wanted.shows(line)]
                if rows:
                    yield event("lines", json.dumps(rows), id=after)


def _log_row(line: Mapping[str, Json]) -> list[str]:
    return [f"{line['at']} {line['replica']}", line["at"], line["text"]]


async def download_logs(visit: Visit) -> ASGIApp:
    """What the page would show, all of it, as text."""
    environment = await read_environment(visit)
    wanted = LineFilter.of(visit.request.query_params)
    read = await _read_lines(visit, None, 10**6)
    text = "".join(
        f"{line['at']} [{line['replica']}] {line['text']}\n"
        for line in read["lines"]
        if wanted.shows(line)
    )
    return text_file(text, f"{environment['uniqueName']}.log")


async def _read_lines(visit: Visit, after: str | None, tail: int) -> Json:
    operation = visit.performer.catalog.operations["GetProjectEnvironmentLogs"]
    request = await visit.performer.check(operation, visit.place, visit.user)
    return await read_log_lines(request, after=after, tail=tail)


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/projects/{project_id}/environments/{environment_id}", show_environment),
    PageRoute("/projects/{project_id}/environments/{environment_id}/events", stream_environment),
    PageRoute("/projects/{project_id}/environments/{environment_id}/logs", show_log),
    PageRoute("/projects/{project_id}/environments/{environment_id}/logs/events", stream_logs),
    PageRoute("/projects/{project_id}/environments/{environment_id}/logs.txt", download_logs),
)
