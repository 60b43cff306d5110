"""The dashboard as a browser shows it: live, safe from apps, and usable by everybody."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from createos_mcp.contract.values import Json
from tests.platform.pages.browsers import Desk, desk, fetch_axe
from tests.platform.platforms import ANSWERING, zip_of

pytestmark = pytest.mark.browser

SLOW = json.dumps(
    {
        "name": "slow",
        "scripts": {
            "build": "for n in $(seq 20); do echo step $n of 20; sleep 0.2; done",
            "start": "node server.js",
        },
    }
)
SERVER = "require('http').createServer((_, a) => a.end('hi')).listen(process.env.PORT)"
HOSTILE = '<img src=x onerror="document.title = 1">'
NOISY = f"print({HOSTILE!r}, flush=True)\n{ANSWERING}"


async def ready(here: Desk, source: str = ANSWERING, name: str = "webshop") -> tuple[Json, Json]:
    """A live app's deployment and environment."""
    deployment = await here.api.deploy({"main.py": source}, name)
    assert deployment["status"] == "deployed", deployment["reason"]
    return deployment, await here.api.environment(deployment["projectId"])


def place_of(deployment: Json) -> str:
    return f"/projects/{deployment['projectId']}/deployments/{deployment['id']}"


async def numbers(page: Page) -> list[int]:
    found: list[int] = await page.locator("[data-log] > div").evaluate_all(
        "rows => rows.map(row => +row.id.slice(1))"
    )
    return found


async def test_a_link_signs_in_once_with_a_cookie_that_scripts_cannot_read(tmp_path: Path) -> None:
    async with desk(tmp_path, tolerant=True) as here:
        (cookie,) = await here.context.cookies()
        assert cookie["name"].startswith("__Host-")
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        page = await here.open("/")
        assert await page.evaluate("document.cookie") == ""
        status, link = await here.api.request("POST", "/links")
        assert status == 200
        other = await here.browser.new_context()
        first = await other.new_page()
        await first.goto(link["url"])
        await first.wait_for_url(f"{here.origin}/")
        assert "#" not in first.url
        again = await (await here.browser.new_context()).new_page()
        await again.goto(link["url"])
        await expect(again.get_by_role("alert")).to_contain_text("was used")


async def test_a_build_is_watched_live_through_a_reload_and_a_hidden_tab(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        project_id = await here.api.create_project("slow-app")
        listing = await here.open("/")
        files = {"package.json": SLOW, "server.js": SERVER}
        deployment_id = await here.api.upload(project_id, files)
        page = await here.open(f"/projects/{project_id}/deployments/{deployment_id}")
        await page.get_by_text("step 3 of 20", exact=True).wait_for()
        assert await page.get_by_text("step 20 of 20", exact=True).count() == 0
        await page.reload()
        await page.get_by_text("step 8 of 20", exact=True).wait_for()
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await page.wait_for_timeout(800)
        seen = len(await numbers(page))
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await page.get_by_text("step 20 of 20", exact=True).wait_for()
        await expect(page.locator("#state")).to_contain_text("live", timeout=20_000)
        shown = await numbers(page)
        assert len(shown) > seen
        assert shown == list(range(1, len(shown) + 1))
        await expect(listing.locator("#rows")).to_contain_text("live", timeout=10_000)


async def test_ten_tabs_are_live_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await ready(here)
        for _ in range(10):
            page = await here.open("/")
            await page.get_by_role("link", name="webshop").wait_for(timeout=5_000)
            await page.evaluate(
                "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )


async def test_a_log_is_followed_and_what_an_app_prints_stays_text(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        _, environment = await ready(here, NOISY)
        place = f"/projects/{environment['projectId']}/environments/{environment['id']}"
        page = await here.open(f"{place}/logs")
        await page.get_by_text(HOSTILE).wait_for()
        await page.evaluate(f"fetch('{environment['extra']['endpoint']}/x').catch(() => 0)")
        other = await here.browser.new_page()
        await other.goto(f"{environment['extra']['endpoint']}/followed")
        await page.get_by_text("asked for /followed").wait_for()
        assert await page.title() != "1"
        here.problems.clear()  # the policy refused the fetch, as it has to
        filtered = await here.open(f"{place}/logs?q=followed")
        assert await filtered.locator("[data-log] > div").count() == 1


async def test_pages_of_apps_can_do_nothing_to_a_dashboard_that_is_signed_in(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, tolerant=True) as here:
        deployment, environment = await ready(here)
        target = f"{here.origin}{place_of(deployment)}/redeploy"
        history = f"/v1/projects/{deployment['projectId']}/deployments"
        for app in (environment["extra"]["endpoint"], environment["extra"]["hostEndpoint"]):
            page = await here.context.new_page()
            seen = _requests_of(page)
            await page.goto(app)
            fetched = await page.evaluate(
                "address => fetch(address, {credentials: 'include'}).then(r => r.status, String)",
                f"{here.origin}/",
            )
            assert "Failed to fetch" in str(fetched)
            await page.set_content(f"<form method=post action='{target}'><input name=a></form>")
            await page.evaluate("document.forms[0].submit()")
            await page.wait_for_load_state()
            await page.wait_for_timeout(300)
            sent = [request for request in seen if request.url.startswith(here.origin)]
            assert sent
            for request in sent:
                assert "cookie" not in await request.all_headers()
            framed = await here.context.new_page()
            await framed.goto(app)
            await framed.set_content(f"<iframe src='{here.origin}/'></iframe>")
            await framed.wait_for_timeout(300)
            for frame in framed.frames:
                assert "webshop" not in await frame.content()
        assert len((await here.api.get(history))["data"]) == 1
        port = here.origin.rpartition(":")[2]
        for name in ("evil.test", "localhost", "127.0.0.1", "createos-00000000.localhost"):
            answer = await (await here.context.new_page()).goto(f"http://{name}:{port}/")
            assert answer is not None
            assert answer.status in {404, 421}
        name = here.origin.removeprefix("http://").partition(":")[0]
        app_port = environment["extra"]["endpoint"].rpartition(":")[2]
        answer = await (await here.context.new_page()).goto(f"http://{name}:{app_port}/")
        assert answer is not None
        assert answer.status == 404
        assert "hello" not in await answer.text()


def _requests_of(page: Page) -> list[Request]:
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request))  # noqa: PLW0108 - playwright marks it
    return seen


SECRETS = {
    ".envrc": "export KEY=1",
    ".npmrc": "//registry.example/:_authToken=x",
    ".aws/credentials": "x",
    "account.json": '{"type": "service_account", "private_key": "x"}',
    "notes.txt": f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n",
}
"""Told by their names, and by what they hold."""


RULED = {
    "a.log": "out", "keep.log": "in", "out/page.html": "out", "README.md": "out",
    "notes.md": "in", "parts/.gitignore": "*.txt\n!yes.txt\n", "parts/no.txt": "out",
    "parts/yes.txt": "in",
}  # fmt: skip
"""Files of a folder with rules, and which of them are deployed."""


async def test_a_folder_is_dropped_and_what_it_ignores_and_secrets_stay_behind(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my site"
    (folder / "node_modules" / "x").mkdir(parents=True)
    (folder / "node_modules" / "x" / "index.js").write_text("x")
    (folder / "index.html").write_text("from a folder")
    (folder / ".gitignore").write_text("*.log\n!keep.log\nout/\n[[:upper:]]*.md\n")
    for name, text in RULED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".env.example").write_text("KEY=")
    (folder / "public.pem").write_text("-----BEGIN CERTIFICATE-----")
    for name, text in SECRETS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    async with desk(tmp_path / "data") as here:
        page = await here.open("/new")
        await page.locator("[data-folder]").set_input_files(folder)
        await expect(page.get_by_role("status").last).to_contain_text("6 files")
        for name in SECRETS:
            await expect(page.get_by_role("status").last).to_contain_text(name)
        assert await page.get_by_label("Name").input_value() == "my-site"
        await page.get_by_role("button", name="Deploy").click()
        await expect(page.locator("#state")).to_contain_text("live", timeout=20_000)
        address = await page.locator("#state a").get_attribute("href")
        assert address is not None
        shown = await here.browser.new_page()
        await shown.goto(address)
        assert await shown.inner_text("body") == "from a folder"
        for name, where in RULED.items():
            answer = await shown.request.get(f"{address}/{name}")
            assert answer.status == (200 if where == "in" else 404), name


async def test_without_scripts_everything_but_what_is_live_works(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        deployment, _ = await ready(here)
        state = await here.context.storage_state()
        plain = await here.browser.new_context(java_script_enabled=False, storage_state=state)
        page = await plain.new_page()
        await page.goto(f"{here.origin}/")
        await page.get_by_role("link", name="v1").first.click()
        await page.get_by_role("button", name="Redeploy").click()
        await page.wait_for_url(re.compile("/deployments/(?!" + deployment["id"] + ")"))
        await here.api.wait(deployment["projectId"], page.url.rpartition("/")[2], "deployed")
        await page.goto(f"{here.origin}/new")
        file = {
            "name": "a.zip",
            "mimeType": "application/zip",
            "buffer": zip_of({"index.html": "z"}),
        }
        await page.get_by_label("Name").fill("by-hand")
        await page.get_by_label("Or a zip").set_input_files(file)  # type: ignore[arg-type]
        await page.get_by_role("button", name="Deploy").click()
        await page.wait_for_url(re.compile("/deployments/"))


async def test_the_keyboard_alone_reaches_and_does_everything(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        deployment, _ = await ready(here)
        page = await here.open(place_of(deployment))
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
        reached = set()
        for _ in range(60):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate("document.activeElement.textContent.trim()"))
        wanted = await page.locator("a[href]:visible, button:visible").all_inner_texts()
        assert {text.strip() for text in wanted} - {"Skip to content"} <= reached
        await page.get_by_role("button", name="Redeploy").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/deployments/(?!" + deployment["id"] + ")"))
        project = await here.open(f"/projects/{deployment['projectId']}/delete")
        await project.get_by_label("Type webshop to confirm").focus()
        await project.keyboard.type("webshop")
        await project.keyboard.press("Enter")
        await project.wait_for_url(f"{here.origin}/")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
async def test_nobody_is_shut_out_in_light_in_dark_and_on_a_phone(
    scheme: str, width: int, tmp_path: Path
) -> None:
    axe = fetch_axe(tmp_path)
    look: Json = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    async with desk(tmp_path / "data", look=look) as here:
        deployment, environment = await ready(here, NOISY)
        broken = await here.api.upload(deployment["projectId"], {"main.py": "raise SystemExit(1)"})
        await here.api.wait(deployment["projectId"], broken)
        project = f"/projects/{deployment['projectId']}"
        pages = {
            "projects": "/",
            "project": project,
            "deployment": f"{project}/deployments/{broken}",
            "environment": f"{project}/environments/{environment['id']}",
            "log": f"{project}/environments/{environment['id']}/logs",
            "platform": "/platform",
            "new": "/new",
            "databases": "/services",
            "account": "/account",
            "cron": "/cron",
            "git": "/git",
            "templates": "/templates",
            "domains": f"{project}/domains",
            "confirm": "/confirm",
            "delete": f"{project}/delete",
        }
        for name, path in pages.items():
            page = await here.open(path)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not await page.evaluate(wide), name
            picture = tmp_path / f"{name}-{scheme}-{width}.png"
            await page.screenshot(path=picture, full_page=True)
            assert picture.stat().st_size > 5_000
            found = await _look_with_axe(page, axe)
            assert found == [], name
            await page.close()


async def _look_with_axe(page: Page, axe: str) -> list[str]:
    """What axe finds in a page, loaded once more without the policy that keeps axe out."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setBypassCSP", {"enabled": True})
    await page.reload()
    await page.evaluate(axe)
    result = await page.evaluate("axe.run()")
    return [
        f"{one['id']}: {one['nodes'][0]['html']} {one['nodes'][0]['failureSummary']}"
        for one in result["violations"]
    ]
