"""Who gets through to the pages: a table of host, origin, site and method."""

from pathlib import Path

import httpx2
import pytest

from createos_mcp.platform.pages.page_guard import HEADERS
from tests.platform.pages.visitors import ask_for_link, visitor
from tests.platform.platforms import ANSWERING, another_user, running_platform

OWN = "{own}"


@pytest.mark.parametrize(
    ("method", "host", "headers", "status"),
    [
        ("GET", OWN, {}, 200),
        ("GET", "createos-00000000.localhost:1", {}, 421),
        ("GET", "createos.localhost", {}, 421),
        ("GET", "{own}0", {}, 421),
        ("POST", OWN, {"origin": "http://{own}"}, 303),
        ("POST", OWN, {"origin": "http://{own}", "sec-fetch-site": "same-origin"}, 303),
        ("POST", OWN, {}, 403),
        ("POST", OWN, {"origin": "null"}, 403),
        ("POST", OWN, {"origin": "https://{own}"}, 403),
        ("POST", OWN, {"origin": "http://production-shop.localhost:1"}, 403),
        ("POST", OWN, {"origin": "http://127.0.0.1:20000"}, 403),
        ("POST", OWN, {"origin": "http://{own}", "sec-fetch-site": "cross-site"}, 403),
        ("POST", OWN, {"origin": "http://{own}", "sec-fetch-site": "same-site"}, 403),
        ("POST", OWN, {"origin": "http://{own}", "sec-fetch-site": "none"}, 403),
        ("PUT", OWN, {"origin": "http://{own}"}, 405),
        ("DELETE", OWN, {}, 403),
        ("OPTIONS", OWN, {"origin": "http://evil.test"}, 403),
    ],
)
async def test_only_the_dashboards_own_forms_change_anything(
    method: str, host: str, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        own = someone.origin.removeprefix("http://")
        path = "/logout" if method == "POST" else "/"
        sent = {name: value.format(own=own) for name, value in headers.items()}
        answer = await someone.client.request(
            method, path, headers={**sent, "host": host.format(own=own)}
        )
        assert answer.status_code == status, answer.text
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-store"


async def test_without_a_session_there_is_only_the_way_to_sign_in(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        del someone.client.headers["cookie"]
        asked = await someone.client.get("/projects/x")
        assert (asked.status_code, asked.headers["location"]) == (303, "/login")
        stream = await someone.client.get("/events", headers={"accept": "text/event-stream"})
        assert stream.status_code == 204
        await someone.send("/new", status=401)
        assert "platform open" in await someone.page("/login")
        assert (await someone.client.get("/static/app.css")).status_code == 200
        for cookie in ("__Host-createos-session=guess", "__Host-createos-session", "=;;\x7f"):
            refused = await someone.client.get("/", headers={"cookie": cookie})
            assert refused.headers["location"] == "/login"


async def test_a_link_works_once_and_only_a_program_with_the_key_gets_one(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        for headers in ({"origin": "http://evil.test"}, {"x-api-key": "skp_wrong"}):
            answer = await api.client.post("/links", headers=headers)
            assert answer.status_code in {401, 403}
        assert (await api.client.get("/links")).status_code == 404
        origin, _, code = (await ask_for_link(api)).partition("/login#")
        own = {"origin": origin, "host": origin.removeprefix("http://")}
        first = await api.client.post("/login", data={"code": code}, headers=own)
        assert first.status_code == 303
        flags = first.headers["set-cookie"].lower()
        assert all(flag in flags for flag in ("httponly", "secure", "samesite=strict", "path=/"))
        assert "domain" not in flags
        again = await api.client.post("/login", data={"code": code}, headers=own)
        assert again.status_code == 403
        assert "set-cookie" not in again.headers
        assert "was used" in again.text


async def test_a_session_ends_with_the_key_that_began_it_and_with_signing_out(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        key = {"name": "laptop", "expiryAt": "2999-01-01T00:00:00Z"}
        _, made = await api.request("POST", "/v1/api-keys", json=key)
        api.client.headers["x-api-key"], first = made["secret"], api.client.headers["x-api-key"]
        async with visitor(api) as on_laptop:
            api.client.headers["x-api-key"] = first
            await on_laptop.page("/")
            await api.request("DELETE", f"/v1/api-keys/{made['id']}")
            assert (await on_laptop.client.get("/")).headers["location"] == "/login"
        async with visitor(api) as here, visitor(api) as there:
            await here.send("/logout", everywhere="yes")
            assert (await there.client.get("/")).headers["location"] == "/login"


async def test_an_app_does_not_answer_at_the_name_of_the_pages(tmp_path: Path) -> None:
    """Else a browser would send it the session: cookies ignore ports."""
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        deployment = await api.deploy({"main.py": ANSWERING})
        environment = await api.environment(deployment["projectId"])
        name = someone.origin.removeprefix("http://").partition(":")[0]
        for at in (environment["extra"]["endpoint"], deployment["extra"]["endpoint"]):
            await _asked_as(at, "127.0.0.1", 200)
            for host in (
                name,
                f"{name}:80",
                name.upper(),
                f"{name}.",
                "createos-0123abcd.localhost",
            ):
                await _asked_as(at, host, 404)
        await _asked_as(f"http://127.0.0.1:{api.gateway_port}", name, 404)


async def _asked_as(address: str, host: str, status: int) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(address, headers={"host": host})
    assert answer.status_code == status


async def test_each_user_sees_their_own(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        project_id = await api.create_project("mine-alone")
        environment = await api.environment(project_id)
        async with visitor(api) as owner, visitor(other) as alice:
            assert "mine-alone" in await owner.page("/")
            assert "mine-alone" not in await alice.page("/")
            assert "Platform" not in await alice.page("/")
            await alice.page("/platform", status=403)
            await alice.page("/confirm", status=403)
            place = f"/projects/{project_id}"
            for path in (
                place,
                f"{place}/domains",
                f"{place}/delete",
                f"{place}/environments/{environment['id']}",
                f"{place}/environments/{environment['id']}/events",
                f"{place}/environments/{environment['id']}/logs",
                f"{place}/environments/{environment['id']}/logs/events",
                f"{place}/environments/{environment['id']}/logs.txt",
            ):
                await alice.page(path, status=404)
            await alice.send(f"{place}/delete", status=404, typed="mine-alone")
            await alice.send(f"{place}/environments/{environment['id']}/stop", status=404)
            assert "mine-alone" in await owner.page("/")


@pytest.mark.parametrize(
    ("site", "shown"),
    [(None, "at once"), ("none", "at once"), ("same-site", "by hand"), ("cross-site", "by hand")],
)
async def test_a_link_that_another_site_opened_signs_in_by_hand_alone(
    site: str | None, shown: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        headers = {} if site is None else {"sec-fetch-site": site}
        answer = await someone.client.get("/login", headers=headers)
    assert f'data-login="{shown}"' in answer.text
