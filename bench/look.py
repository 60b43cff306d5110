"""What the dashboard weighs, and how soon it is there: against a static page of the same bytes."""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx2
from playwright.async_api import Browser, Page, async_playwright
from typing_extensions import override

from createos_mcp.platform import daemon, pages
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import read_state
from createos_mcp.platform.states import UNFINISHED

CHROMIUM = "/usr/bin/chromium"
ROUNDS = 9
PROJECTS = 4

BUDGETS = {"projects": (16_000, 5), "deployment": (90_000, 9)}
"""Bytes and requests of a page with all that it loads, without a cache."""

SLOWEST = 1.5
"""First paint against that of the static page."""

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_WEIGHT = (
    "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    ".filter(one => !one.name.includes('/events')).map(one => one.encodedBodySize)"
)


class Look(NamedTuple):
    """One page as it was loaded by a browser without a cache."""

    size: int
    requests: int
    paint_ms: float


def main() -> int:
    """Print the table; 1 when a budget or the goal is missed."""
    if not Path(CHROMIUM).exists():
        print(f"{CHROMIUM} is needed (on Debian: apt-get install chromium)")
        return 2
    with tempfile.TemporaryDirectory(prefix="createos-look-") as root:
        config = PlatformConfig(data_dir=DataDir(Path(root, "data")))
        daemon.ensure_running(config, os.environ)
        try:
            return asyncio.run(_measure(config, Path(root, "static")))
        finally:
            daemon.stop_platform(config)


async def _measure(config: PlatformConfig, static: Path) -> int:
    state = read_state(config.data_dir.state_file)
    assert state is not None  # noqa: S101 - it has just been started
    key = config.data_dir.key_file.read_text().strip()
    with httpx2.Client(base_url=state.api_url, headers={"X-Api-Key": key}, timeout=60) as api:
        pages = {"projects": "/", "deployment": _deploy(api)}
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            desk = Desk(browser=browser, url=state.dashboard_url, api=api)
            print("page           bytes  requests  first paint  static page  ratio")
            missed = [await desk.compare(name, path, static) for name, path in pages.items()]
            await browser.close()
    return int(any(missed))


def _deploy(api: httpx2.Client) -> str:
    """Deploy some apps; the page of one deployment."""
    place = ""
    for number in range(PROJECTS):
        project = {
            "uniqueName": f"look-{number}",
            "displayName": f"Look {number}",
            "type": "upload",
            "source": {},
            "settings": {"useBuildAI": True},
        }
        project_id = api.post("/v1/projects", json=project).json()["data"]["id"]
        files = {"files": [{"path": "index.html", "content": "hello"}]}
        made = api.put(f"/v1/projects/{project_id}/deployments/files", json=files).json()["data"]
        place = f"/projects/{project_id}/deployments/{made['id']}"
        while api.get(f"/v1{place}").json()["data"]["status"] in UNFINISHED:
            time.sleep(0.1)
    return place


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A browser, and the dashboard that it looks at."""

    browser: Browser
    url: str
    api: httpx2.Client

    async def compare(self, name: str, path: str, directory: Path) -> bool:
        """Print a row; whether the page misses its budget."""
        ours, theirs = [], []
        await self._copy(path, directory / name)
        with _serving(directory / name) as address:
            for _ in range(ROUNDS):
                ours.append(await _look(await self._signed_in(), f"{self.url}{path}"))
                page = await (await self.browser.new_context()).new_page()
                theirs.append(await _look(page, f"{address}/page.html"))
        one = ours[-1]
        paint = statistics.median(look.paint_ms for look in ours)
        floor = statistics.median(look.paint_ms for look in theirs)
        most, requests = BUDGETS[name]
        print(
            f"{name:<12}{one.size:>8}{one.requests:>10}{paint:>10.0f} ms{floor:>10.0f} ms"
            f"{paint / floor:>7.2f}"
        )
        return one.size > most or one.requests > requests or paint > SLOWEST * floor

    async def _signed_in(self) -> Page:
        page = await (await self.browser.new_context()).new_page()
        await page.goto(self.api.post("/links").json()["data"]["url"])
        await page.wait_for_url(f"{self.url}/")
        session = await page.context.new_cdp_session(page)
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        return page

    async def _copy(self, path: str, directory: Path) -> None:
        """Write a page and all that it loads as files."""
        page = await self._signed_in()
        answer = await page.goto(f"{self.url}{path}")
        assert answer is not None  # noqa: S101 - the page is there
        shutil.copytree(Path(pages.__file__).parent / "static", directory / "static")
        (directory / "page.html").write_bytes(await answer.body())
        await page.context.close()


async def _look(page: Page, address: str) -> Look:
    await page.goto(address, wait_until="load")
    # The pages' policy forbids what waits for a function would do.
    while not (paint_ms := await page.evaluate(_PAINT)):
        await page.wait_for_timeout(20)
    sizes = await page.evaluate(_WEIGHT)
    look = Look(size=sum(sizes), requests=len(sizes), paint_ms=paint_ms)
    await page.context.close()
    return look


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: the second of two waits 40 ms to be acknowledged.
    wbufsize = -1

    @override
    def log_message(self, format: str, *args: object) -> None:
        return


class _serving:  # noqa: N801 - used as a block
    """A server of files on a free port."""

    def __init__(self, directory: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=directory))

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    sys.exit(main())
