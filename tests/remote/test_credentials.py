import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from mcp import Client

from createos_mcp.contract.values import Json
from tests.apis import Asked, FakeApi, fake_api
from tests.eras import Era, both_eras
from tests.remote.servers import (
    ACCEPT,
    HELLO_MESSAGE,
    ID,
    KEY,
    PATIENCE_S,
    Served,
    Wire,
    answer_in,
    call,
    client_of,
    headers_for,
    post,
    served,
)

USERS = 50
CALLS_OF_EACH = 40

both_wires = pytest.mark.parametrize("wire", ["http", "sse"])


def echo(asked: Asked) -> tuple[int, Json]:
    """An answer that tells whose request it was; keys with `bad` in them are refused."""
    who = asked.headers.get("x-api-key") or asked.headers.get("x-access-token", "")
    if not who or "bad" in who:
        return 401, {"status": "fail", "data": "who are you?"}
    path = asked.path.removeprefix("/v1/projects/")
    return 200, {"status": "success", "data": {"id": path, "displayName": who}}


@pytest.fixture(scope="module")
def echoing() -> Iterator[tuple[FakeApi, Served]]:
    with fake_api() as api:
        api.respond = echo
        with served(api.url, "--serve-calls-per-minute", "1000000") as server:
            yield api, server


async def who(client: Client, project_id: str = ID) -> Json:
    """Whom the API takes this client for."""
    result = await client.call_tool("GetProject", {"project_id": project_id})
    assert result.structured_content is not None, result
    assert result.structured_content["id"] == project_id
    return result.structured_content["displayName"]


def asked_of(api: FakeApi, secret: str) -> list[Asked]:
    return [asked for asked in api.asked if secret in asked.headers.values()]


@both_wires
@both_eras
async def test_the_key_of_a_request_goes_to_the_platform(
    wire: Wire, era: Era, echoing: tuple[FakeApi, Served]
) -> None:
    _, server = echoing
    async with client_of(server, {"X-Api-Key": "skp_mine"}, wire=wire, era=era) as client:
        assert await who(client) == "skp_mine"


@pytest.mark.parametrize(
    ("headers", "wire_name", "secret"),
    [
        ({"Authorization": "Bearer skp_in_bearer"}, "x-api-key", "skp_in_bearer"),
        ({"Authorization": "bearer opaque-token"}, "x-access-token", "opaque-token"),
        ({"X-Api-Key": "first", "Authorization": "Bearer second"}, "x-api-key", "first"),
        ({"X-Api-Key": "with-basic", "Authorization": "Basic eA=="}, "x-api-key", "with-basic"),
        ({"X-Api-Key": "with-rubbish", "Authorization": "x"}, "x-api-key", "with-rubbish"),
    ],
)
async def test_a_bearer_goes_on_as_a_key_if_it_looks_like_one_else_as_a_token(
    headers: dict[str, str], wire_name: str, secret: str, echoing: tuple[FakeApi, Served]
) -> None:
    api, server = echoing
    async with client_of(server, headers) as client:
        assert await who(client) == secret
    for asked in asked_of(api, secret):
        assert asked.headers[wire_name] == secret
        assert len({"x-api-key", "x-access-token"} & asked.headers.keys()) == 1


async def test_50_users_at_once_get_2000_answers_of_their_own(
    echoing: tuple[FakeApi, Served],
) -> None:
    api, server = echoing
    checked = 0

    async def use(number: int) -> None:
        nonlocal checked
        key = f"skp_user_{number}"
        async with caller(server, key, number) as ask:
            for turn in range(CALLS_OF_EACH):
                assert await ask(f"{number:08}-0000-4000-8000-{turn:012}") == key
                checked += 1

    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            for number in range(USERS):
                tasks.start_soon(use, number)
    assert checked == USERS * CALLS_OF_EACH
    for number in range(USERS):
        own = f"/v1/projects/{number:08}-"
        askers = {a.headers["x-api-key"] for a in api.asked if a.path.startswith(own)}
        assert askers == {f"skp_user_{number}"}


@asynccontextmanager
async def caller(
    server: Served, key: str, number: int
) -> AsyncIterator[Callable[[str], Awaitable[Json]]]:
    """Asks for projects: some users over SSE, others in either era over HTTP."""
    if number % 10 == 0:
        async with client_of(server, {"X-Api-Key": key}, wire="sse") as client:
            yield lambda project_id: who(client, project_id)
        return
    era: Era = "legacy" if number % 2 else "auto"
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as by_hand:

        async def ask(project_id: str) -> Json:
            body = call("GetProject", era, project_id=project_id)
            headers = {**headers_for(body, era), "X-Api-Key": key}
            answer = await by_hand.post(f"{server.url}/mcp", json=body, headers=headers)
            data = answer_in(answer)["result"]["structuredContent"]
            assert data["id"] == project_id
            return data["displayName"]

        yield ask


async def test_a_session_goes_on_with_another_key_and_as_another_user(
    echoing: tuple[FakeApi, Served],
) -> None:
    _, server = echoing
    opened = post(server, HELLO_MESSAGE)
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    for key in ("skp_second", KEY, "skp_third"):
        async with client_of(server, {"X-Api-Key": key, **session}) as client:
            assert await who(client) == key


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"X-Api-Key": ""}]
)
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/"])
def test_without_credentials_the_answer_is_401_with_a_challenge(
    path: str, headers: dict[str, str], echoing: tuple[FakeApi, Served]
) -> None:
    api, server = echoing
    asked = len(api.asked)
    method = "GET" if path == "/sse" else "POST"
    answer = httpx2.request(method, server.url + path, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="createos-mcp"'
    assert "X-Api-Key" in answer.json()["message"]
    assert len(api.asked) == asked


def test_a_key_that_none_can_have_is_401(echoing: tuple[FakeApi, Served]) -> None:
    _, server = echoing
    answer = httpx2.post(f"{server.url}/mcp", headers={b"X-Api-Key": b"skp_\xff"})
    assert answer.status_code == 401
    assert "characters" in answer.json()["message"]


def test_a_flood_of_one_bad_key_reaches_the_platform_once(
    echoing: tuple[FakeApi, Served],
) -> None:
    api, server = echoing
    for _ in range(20):
        answer = post(server, HELLO_MESSAGE, headers={"X-Api-Key": "skp_bad_one"})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert answer.json()["error"] == "unauthorized"
    assert len(asked_of(api, "skp_bad_one")) == 1


def test_a_flood_of_many_bad_keys_is_cut_off_and_good_keys_go_on() -> None:
    with fake_api() as api:
        api.respond = echo
        with served(api.url) as server:
            assert post(server, HELLO_MESSAGE).status_code == 200
            answers = [
                post(server, HELLO_MESSAGE, headers={"X-Api-Key": f"skp_bad_{number}"})
                for number in range(90)
            ]
            assert {answer.status_code for answer in answers} == {401, 429}
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert len(api.asked) < 75
            assert post(server, HELLO_MESSAGE).status_code == 200


def test_a_key_that_is_revoked_meanwhile_is_401_from_the_next_request_on() -> None:
    with fake_api() as api, served(api.url) as server:
        body = call("GetProject", project_id=ID)
        assert post(server, body).status_code == 200
        api.status, api.answer = 401, {"status": "fail", "data": "revoked"}
        assert "HTTP 401" in post(server, body).text
        asked = len(api.asked)
        assert post(server, body).status_code == 401
        assert len(api.asked) == asked


def test_a_platform_that_is_down_does_not_make_a_good_key_bad() -> None:
    with served("http://127.0.0.1:9") as server:
        answer = post(server, HELLO_MESSAGE)
        assert answer.status_code == 200


async def test_the_servers_own_key_is_for_callers_with_its_token() -> None:
    with fake_api() as api:
        api.respond = echo
        own = {"CREATEOS_API_KEY": "skp_of_server", "CREATEOS_SERVE_TOKEN": "open-sesame"}
        with served(api.url, "--serve-share-key", variables=own) as server:
            async with client_of(server, {"Authorization": "Bearer open-sesame"}) as client:
                assert await who(client) == "skp_of_server"
            async with client_of(server, {"X-Api-Key": "skp_mine"}) as client:
                assert await who(client) == "skp_mine"
            bare = httpx2.post(f"{server.url}/mcp", json=HELLO_MESSAGE, headers=ACCEPT)
            assert bare.status_code == 401
            assert "skp_of_server" not in server.log_text()


async def test_on_loopback_the_servers_own_key_needs_no_token() -> None:
    with fake_api() as api:
        api.respond = echo
        key = {"CREATEOS_API_KEY": "skp_of_server"}
        with served(api.url, "--serve-share-key", variables=key) as server:
            async with client_of(server, {}) as client:
                assert await who(client) == "skp_of_server"


@pytest.mark.parametrize(
    ("flags", "variables", "words"),
    [
        ((), {"CREATEOS_API_KEY": KEY}, ("CREATEOS_API_KEY", "CREATEOS_SERVE_SHARE_KEY=true")),
        (
            ("--serve-share-key", "--serve-host", "0.0.0.0"),
            {"CREATEOS_API_KEY": KEY},
            ("CREATEOS_SERVE_SHARE_KEY", "CREATEOS_SERVE_TOKEN"),
        ),
        ((), {"CREATEOS_SERVE_TOKEN": "x"}, ("CREATEOS_SERVE_TOKEN", "SHARE_KEY")),
        (("--serve-host", "0.0.0.0"), {}, ("CREATEOS_SERVE_ALLOWED_HOSTS", "PUBLIC_URL")),
        (("--serve-stateless",), {}, ("CREATEOS_SERVE_STATE_KEYS", "openssl")),
        ((), {"CREATEOS_SERVE_STATE_KEYS": "short"}, ("32",)),
        (("--serve-base-path", "no slash"), {}, ("--base-path", "/createos")),
        (("--serve-allowed-origins", "*"), {}, ("--allowed-origins", "https://")),
        (("--serve-allowed-hosts", "http://x"), {}, ("--allowed-hosts",)),
        (("--serve-trusted-proxies", "caddy"), {}, ("--trusted-proxies", "network")),
        (
            (),
            {"CREATEOS_SERVE_SHARE_KEY": "perhaps"},
            ("CREATEOS_SERVE_SHARE_KEY", "true or false"),
        ),
        (("--oauth-jwks-url", "https://x.test/keys"), {}, ("CREATEOS_OAUTH_ISSUER",)),
        (("--serve-public-url", "example.com"), {}, ("--public-url", "https://")),
    ],
)
def test_settings_that_are_unsafe_or_cannot_work_are_refused_at_the_start(
    flags: tuple[str, ...], variables: dict[str, str], words: tuple[str, ...]
) -> None:
    with (
        pytest.raises(AssertionError) as refusal,
        served("http://127.0.0.1:9", *flags, variables=variables) as _,
    ):
        pass
    told = str(refusal.value)
    for word in words:
        assert word in told
    assert "Traceback" not in told
    assert KEY not in told
    assert re.search(r"createos-mcp: (CREATEOS_|--)", told)
