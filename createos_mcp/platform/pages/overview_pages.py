"""The first page: what runs, and what needs a look."""

from collections.abc import AsyncGenerator, Sequence

from starlette.types import ASGIApp

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.status_page import list_apps
from createos_mcp.platform.pages.event_streams import EventStream, event
from createos_mcp.platform.pages.rendering import TONES, render_text
from createos_mcp.platform.pages.visits import PageRoute, Visit

LOOK_S = 2.0


async def show_overview(visit: Visit) -> ASGIApp:
    """Every environment of the user, what it serves, and the project's newest deployment."""
    return visit.show("overview.html", rows=await _rows(visit))


async def stream_overview(visit: Visit) -> ASGIApp:
    """The rows again whenever one of them changed."""
    return EventStream(_changes(visit), may_go_on=visit.may_go_on)


async def _changes(visit: Visit) -> AsyncGenerator[str, None]:
    topic = ("overview", visit.user.id)

    async def look() -> str:
        return render_text("_apps.html", rows=await _rows(visit))

    async with visit.watchers.watching(topic, look, interval_s=LOOK_S) as changes:
        async for rows in changes:
            yield event("swap", rows)


async def _rows(visit: Visit) -> list[Json]:
    return sort_rows(await list_apps(visit.user, visit.performer.services))


def sort_rows(rows: Sequence[Json]) -> list[Json]:
    """Projects whose newest deployment failed come first, then by name."""
    return sorted(
        rows, key=lambda row: (not _needs_a_look(row), row["project"], row["environment"])
    )


def _needs_a_look(row: Json) -> bool:
    states = (row["status"], (row["newest"] or {}).get("status"))
    return any(TONES.get(state or "") == "bad" for state in states)


async def show_new(visit: Visit) -> ASGIApp:
    """A form for a new project: a name and a folder."""
    return visit.show("new.html")


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/", show_overview),
    PageRoute("/events", stream_overview),
    PageRoute("/new", show_new),
)
