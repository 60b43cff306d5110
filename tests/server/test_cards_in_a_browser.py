"""Cards as a host draws them: the official AppBridge in Chromium, before a real platform."""

import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import anyio
import httpx2
import pytest
import uvicorn
from playwright.async_api import Page, async_playwright, expect
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from createos_mcp.client.backend import Backend
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.server.offer import build_offer
from createos_mcp.server.server import build_server
from createos_mcp.workflows.registry import build_workflows
from tests.agents import NOWHERE
from tests.eventually import until
from tests.platform.daemons import daemon_client, environ, stopped_at_the_end
from tests.platform.pages.browsers import CHROMIUM, FLAGS
from tests.platform.platforms import ANSWERING

pytestmark = pytest.mark.browser

PACKAGES = (
    "@modelcontextprotocol/ext-apps@2.0.4",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/core@2.4.0",
    "zod@4",
    "esbuild@0.27",
)
PAGE = (
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    '<script src="/host.js" defer></script>'
)
SLOW = {
    "package.json": json.dumps(
        {
            "name": "slow",
            "scripts": {
                "build": "for n in $(seq 8); do echo step $n of 8; sleep 0.4; done",
                "start": "node server.js",
            },
        }
    ),
    "server.js": "require('http').createServer((_, a) => a.end('hi')).listen(process.env.PORT)",
}


BROKEN = {"main.py": "import nothing_here"}


@pytest.fixture(scope="module")
def host_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host, bundled for a browser."""
    root = tmp_path_factory.mktemp("host")
    (root / "host.mjs").write_bytes((Path(__file__).parent / "card_host.mjs").read_bytes())
    (root / "package.json").write_text("{}")
    bundle = ("npx", "esbuild", "host.mjs", "--bundle", "--format=iife", "--outfile=host.js")
    for command in (("npm", "install", "--silent", *PACKAGES), bundle):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return root / "host.js"


@asynccontextmanager
async def hosting(root: Path, script: Path) -> AsyncIterator[tuple[str, Page, list[str]]]:
    """A server before a real platform, a browser at its host's page, and what it complained of."""
    async with stopped_at_the_end(root / "data"), daemon_client(root / "data", environ()) as api:
        target = ApiTarget(
            base_url=str(api.client.base_url),
            credentials=Credentials(api_key=api.client.headers["x-api-key"]),
        )

        async def locate() -> ApiTarget:
            return target

        async with (
            Backend(locate) as backend,
            serving(backend, script) as address,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 640, "height": 400})
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "console",
                lambda message: problems.append(message.text) if message.type == "error" else None,
            )
            yield address, page, problems
            await browser.close()


@asynccontextmanager
async def serving(backend: Backend, script: Path) -> AsyncIterator[str]:
    catalog = load_catalog(local=True)
    workflows = build_workflows(catalog, NOWHERE)
    server = build_server(build_offer(catalog, backend, workflows=workflows, is_local=True))

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def show_script(_request: Request) -> Response:
        return FileResponse(script, media_type="text/javascript")

    app = server.streamable_http_app()
    app.routes.extend([Route("/", show_page), Route("/host.js", show_script)])
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    site = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.serve)
        await until(lambda: site.started)
        port = site.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            site.should_exit = True


def source(files: Mapping[str, str]) -> list[Json]:
    return [{"path": path, "content": text} for path, text in files.items()]


def asked(address: str, tool: str, theme: str, **arguments: Json) -> str:
    query = {"tool": tool, "theme": theme, "arguments": json.dumps(arguments)}
    return f"{address}/?{urlencode(query)}"


async def events(page: Page) -> Json:
    return await page.evaluate("events")


async def test_a_card_follows_a_deployment_while_it_is_built_and_opens_the_app(
    host_script: Path, tmp_path: Path
) -> None:
    async with hosting(tmp_path, host_script) as (address, page, problems):
        given = {"project_id": "webshop", "files": source(SLOW), "timeoutSeconds": 60}
        await page.goto(asked(address, "Deploy", "light", **given))
        card = page.frame_locator("iframe")
        await card.get_by_text("step 3 of 8").wait_for(timeout=20_000)
        assert await card.locator("li.now").inner_text() == "building"
        await expect(card.locator("#state")).to_have_text("deployed", timeout=30_000)
        await expect(card.locator("#name")).to_have_text("webshop v1")
        assert "untrusted" not in await card.locator("body").inner_text()
        await card.get_by_role("button", name="Open the app").click()
        await expect_event(page, "open")
        (_, url) = next(one for one in await events(page) if one[0] == "open")
        assert httpx2.get(url).text == "hi"
        assert await page.locator("iframe").evaluate("frame => frame.clientHeight") > 60
    assert problems == []


async def test_a_card_of_a_failure_says_why_and_lets_the_user_ask(
    host_script: Path, tmp_path: Path
) -> None:
    async with hosting(tmp_path, host_script) as (address, page, problems):
        given = {"project_id": "broken-app", "files": source(BROKEN), "timeoutSeconds": 60}
        await page.goto(asked(address, "Deploy", "dark", **given))
        card = page.frame_locator("iframe")
        await expect(card.locator("#state")).to_have_text("crashing", timeout=30_000)
        await expect(card.locator("#reason")).to_contain_text("nothing_here is not installed")
        await expect(card.locator("html")).to_have_attribute("data-theme", "dark")
        await card.get_by_role("button", name="Ask why").click()
        await expect_event(page, "message")
        assert ["message", "Why did broken-app v1 fail?"] in await events(page)
    assert problems == []


async def test_a_card_shows_the_traffic_of_an_environment(
    host_script: Path, tmp_path: Path
) -> None:
    async with hosting(tmp_path, host_script) as (address, page, problems):
        given = {
            "project_id": "webshop",
            "files": source({"main.py": ANSWERING}),
            "timeoutSeconds": 60,
        }
        await page.goto(asked(address, "Deploy", "light", **given))
        card = page.frame_locator("iframe")
        await expect(card.locator("#state")).to_have_text("deployed", timeout=30_000)
        await card.get_by_role("button", name="Open the app").click()
        (_, url) = next(one for one in await events(page) if one[0] == "open")
        for number in range(3):
            httpx2.get(f"{url}/products/{number}")
        place = {"project_id": "webshop", "environment_id": "production"}
        await page.goto(asked(address, "GetProjectEnvironmentAnalytics", "light", **place))
        await expect(card.locator("#total")).to_have_text("4 requests")
        await expect(card.locator("#paths")).to_contain_text("/products/")
        assert await card.locator("rect.ok").get_attribute("width") == "100"
    assert problems == []


async def expect_event(page: Page, kind: str) -> None:
    await page.wait_for_function("kind => events.some(one => one[0] === kind)", arg=kind)
