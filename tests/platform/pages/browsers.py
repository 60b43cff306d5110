"""Chromium, and a platform in a process of its own for it to look at."""

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from createos_mcp.contract.values import Json
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import read_state
from tests.platform.daemons import daemon_client, environ, stopped_at_the_end
from tests.platform.pages.visitors import ask_for_link
from tests.platform.platforms import Api

CHROMIUM = "/usr/bin/chromium"
AXE = "axe-core@4.14.1"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Somebody with a browser, signed in at a platform."""

    api: Api
    browser: Browser
    context: BrowserContext
    origin: str
    problems: list[str]
    """What the browser complained about, such as a violation of the pages' policy."""

    async def open(self, path: str) -> Page:
        """Another tab."""
        page = await self.tab()
        await page.goto(self.origin + path)
        return page

    async def tab(self) -> Page:
        page = await self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.problems.append(message.text) if message.type in {"error", "warning"} else None
            ),
        )
        return page


@asynccontextmanager
async def desk(
    root: Path, *, tolerant: bool = False, look: Mapping[str, Json] = MappingProxyType({})
) -> AsyncIterator[Desk]:
    """A platform over a directory, and a browser that is signed in at it.

    Args:
        root: The platform's directory.
        tolerant: Whether the browser may complain, where a test provokes it.
        look: How the browser is, such as `{"color_scheme": "dark"}`.
    """
    async with (
        stopped_at_the_end(root),
        daemon_client(root, environ()) as api,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(**look)
        state = read_state(DataDir(root).state_file)
        assert state is not None
        here = Desk(
            api=api, browser=browser, context=context, origin=state.dashboard_url, problems=[]
        )
        page = await here.tab()
        await page.goto(await ask_for_link(api))
        await page.wait_for_url(f"{here.origin}/")
        yield here
        await browser.close()
        assert tolerant or here.problems == []


def fetch_axe(directory: Path) -> str:
    """The source of axe, which looks for what people with disabilities cannot use."""
    subprocess.run(["npm", "pack", AXE, "--silent"], cwd=directory, check=True, capture_output=True)
    (packed,) = directory.glob("axe-core-*.tgz")
    subprocess.run(["tar", "xzf", packed.name], cwd=directory, check=True)
    return (directory / "package" / "axe.min.js").read_text()
