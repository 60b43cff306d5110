"""Known requests go through the gateway, and every figure is compared with what was sent."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp
import anyio
import pytest
from aiohttp import web
from yarl import URL

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.analytics import MAX_POINTS, width_of
from createos_mcp.platform.gateway.traffic import Window
from tests.platform.gateways import serving
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

REQUESTS = 20_000
WORKERS = 32
WEBSOCKETS = 5
"""One in so many hundred requests is a WebSocket."""

PATHS = {
    "/": "/",
    "/pricing": "/pricing",
    "/users/{n}": "/users/{id}",
    "/users/{n}/orders?page={n}": "/users/{id}/orders",
    "/p/3f0c9a52-0000-4000-8000-{n:012}": "/p/{id}",
    "/c/{n:040x}": "/c/{id}",
    "/a%2Fb?x={n}": "/a%2Fb",
    "/v1/items?sort=name": "/v1/items",
    "/docs/getting-started": "/docs/getting-started",
    "/static/app.js": "/static/app.js",
    "/static/app.css": "/static/app.css",
    "/favicon.ico": "/favicon.ico",
}
"""Paths that are asked for, and the pattern that each is counted as."""

STATUSES = (200, 200, 200, 200, 201, 204, 301, 304, 400, 404, 404, 429, 500, 503)
"""Statuses that the app is asked to answer with."""


async def answer(request: web.Request) -> web.StreamResponse:
    if request.headers.get("upgrade") == "websocket":
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data)
        return connection
    return web.Response(status=int(request.headers["x-status"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One request as it was sent."""

    path: str
    pattern: str
    status: int


def plan() -> list[Sent]:
    """The same requests each time, in an order of no meaning."""
    chance = random.Random(1)  # noqa: S311 - chance, not secrecy
    sent = []
    for _ in range(REQUESTS):
        template, pattern = chance.choice(list(PATHS.items()))
        is_websocket = chance.randrange(100) < WEBSOCKETS
        status = 101 if is_websocket else chance.choice(STATUSES)
        path = template.format(n=chance.randrange(10**9))
        sent.append(Sent(path=path, pattern=pattern, status=status))
    return sent


async def send_all(address: str, plan: list[Sent]) -> None:
    queue = iter(plan)

    async def work() -> None:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            for request in queue:
                await send(session, address, request)

    async with asyncio.TaskGroup() as workers:
        for _ in range(WORKERS):
            workers.create_task(work())


async def send(session: aiohttp.ClientSession, address: str, request: Sent) -> None:
    target = URL(f"{address}{request.path}", encoded=True)
    if request.status == 101:
        async with session.ws_connect(target) as connection:
            await connection.send_str("hello")
            assert await connection.receive_str() == "hello"
        return
    headers = {"x-status": str(request.status)}
    async with session.get(target, headers=headers, allow_redirects=False) as got:
        assert got.status == request.status


@asynccontextmanager
async def measured(root: Path) -> AsyncIterator[tuple[Api, str, str]]:
    """A platform whose one environment leads to the app above.

    Gives its API, the path of the environment's figures in it, and the environment's address.
    """
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as instance, running_platform(root, isolation="none") as api:
        project_id = await api.create_project()
        environment = await api.environment(project_id)
        address = environment["extra"]["endpoint"]
        assert api.gateway is not None
        api.gateway.publish(environment["id"], [instance])
        yield api, f"/v1/projects/{project_id}/environments/{environment['id']}/analytics", address


async def test_every_figure_of_20000_requests_is_exact(tmp_path: Path) -> None:
    requests = plan()
    async with measured(tmp_path) as (api, base, address):
        began = int(time.time())
        with anyio.fail_after(240):
            await send_all(address, requests)
        ended = int(time.time()) + 1
        window = f"?start={began}&end={ended}"
        names = (
            "overall-requests",
            "request-distribution",
            "rpm",
            "success-percentage",
            "top-hit-paths",
            "top-error-paths",
            "requests-over-time",
        )
        figures = {name: await api.get(f"{base}/{name}{window}") for name in names}
        summary = await api.get(f"{base}{window}")

    classes = Counter(request.status // 100 for request in requests)
    overall = {"total": REQUESTS, "success": classes[2], "client": classes[4], "server": classes[5]}
    assert figures["overall-requests"] == overall
    statuses = Counter((str(request.status),) for request in requests)
    assert figures["request-distribution"] == ranked(statuses, "status")
    good = REQUESTS - classes[4] - classes[5]
    percentage = figures["success-percentage"]["successPercentage"]
    assert percentage == pytest.approx(100 * good / REQUESTS)
    assert figures["rpm"]["average"] == pytest.approx(REQUESTS * 60 / (ended - began))
    hits = Counter((request.pattern,) for request in requests)
    assert figures["top-hit-paths"] == ranked(hits, "path")[:10]
    failures = Counter((r.pattern, str(r.status)) for r in requests if r.status >= 400)
    assert figures["top-error-paths"] == ranked(failures, "path", "status")[:10]
    compare_points(figures["requests-over-time"], figures["rpm"]["peak"], classes)
    assert summary == {
        "overallRequests": figures["overall-requests"],
        "requestDistribution": figures["request-distribution"],
        "rpm": figures["rpm"],
        "successPercentage": percentage,
        "topHitPaths": figures["top-hit-paths"],
        "topErrorPaths": figures["top-error-paths"],
    }


Name = TypeVar("Name", bound=tuple[str, ...])


def ranked(counts: Counter[Name], *names: str) -> list[dict[str, Json]]:
    """As the API shows them: by count, the largest first, then by name."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in rows]


def compare_points(points: list[dict[str, int]], peak: int, classes: Counter[int]) -> None:
    """The points add up to what was sent, class by class, and to the busiest minute."""
    assert len(points) <= MAX_POINTS
    for digit in (2, 3, 4, 5):
        assert sum(point[f"status{digit}xx"] for point in points) == classes[digit]
    assert sum(point["count"] for point in points) == REQUESTS
    minutes: Counter[int] = Counter()
    for point in points:
        minutes[point["timestamp"] // 60] += point["count"]
    assert peak == max(minutes.values())


async def test_an_environment_without_requests_has_figures_of_zero(tmp_path: Path) -> None:
    async with measured(tmp_path) as (api, base, _):
        assert await api.get(base) == {
            "overallRequests": {"total": 0, "success": 0, "client": 0, "server": 0},
            "requestDistribution": [],
            "rpm": {"peak": 0, "average": 0},
            "successPercentage": 0,
            "topHitPaths": [],
            "topErrorPaths": [],
        }
        assert await api.get(f"{base}/requests-over-time") == []


async def test_a_deployed_app_is_counted_at_the_environments_address_and_not_at_its_own(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        environment = await api.environment(deployment["projectId"])
        await read_page(environment["extra"]["endpoint"])
        await read_page(deployment["extra"]["endpoint"])
        base = f"/v1/projects/{deployment['projectId']}/environments/{environment['id']}"
        assert (await api.get(f"{base}/analytics/overall-requests"))["total"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=-1", "start"),
        ("start=0&end=-1", "end"),
        ("start=200&end=100", "end"),
        ("start=99999999999", "start"),
        ("start=0", "start"),
        ("start=soon", "start"),
    ],
)
async def test_a_window_that_is_none_is_a_400_that_names_the_field(
    tmp_path: Path, query: str, field: str
) -> None:
    async with measured(tmp_path) as (api, base, _):
        status, message = await api.request("GET", f"{base}?{query}")

    assert (status, message.startswith(f"{field}:")) == (400, True), message


async def test_a_window_before_all_that_is_kept_finds_nothing(tmp_path: Path) -> None:
    async with measured(tmp_path) as (api, base, _):
        assert (await api.get(f"{base}/overall-requests?start=1000&end=2000"))["total"] == 0


async def test_an_environment_of_another_project_is_not_found(tmp_path: Path) -> None:
    async with measured(tmp_path) as (api, base, _):
        other = await api.create_project("another-app")
        path = f"/v1/projects/{other}/environments/{base.split('/')[5]}/analytics"
        assert (await api.request("GET", path))[0] == 404


@pytest.mark.parametrize("length_s", [0, 1, 59, 119, 120, 3600, 86_400, 604_800, 40_000_000])
def test_a_window_of_any_length_has_at_most_120_points(length_s: int) -> None:
    for start in (0, 1, 86_399):
        window = Window(start=start, end=start + length_s)
        width_s = width_of(window)
        assert window.end // width_s - window.start // width_s + 1 <= MAX_POINTS
