import json
from collections.abc import Iterator, Mapping

import anyio
import httpx2
import pytest

from createos_mcp.contract.values import Json
from tests.apis import fake_api
from tests.remote.servers import (
    ACCEPT,
    HELLO_MESSAGE,
    ID,
    KEY,
    PATIENCE_S,
    Served,
    call,
    carrier,
    client_of,
    headers_for,
    post,
    served,
    speak,
)

LIMITS = (
    "--serve-max-request-bytes",
    "20000",
    "--serve-body-timeout-s",
    "0.5",
    "--serve-idle-timeout-s",
    "1",
)
NAMES = ("--serve-allowed-hosts", "mcp.example.com,127.0.0.1:*")
PAGES = ("--serve-allowed-origins", "https://app.example.com,http://localhost:*")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with fake_api() as api, served(api.url, *LIMITS, *NAMES, *PAGES) as one:
        yield one


def head(server: Served, *lines: str) -> bytes:
    own = ("POST /mcp HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"X-Api-Key: {KEY}")
    return "\r\n".join((*own, "Content-Type: application/json", *lines, "", "")).encode()


def test_another_host_is_421_and_a_listed_one_is_answered(server: Served) -> None:
    foreign = post(server, HELLO_MESSAGE, headers={"Host": "evil.example"})
    assert foreign.status_code == 421
    assert "CREATEOS_SERVE_ALLOWED_HOSTS" in foreign.json()["message"]
    assert post(server, HELLO_MESSAGE, headers={"Host": "mcp.example.com"}).status_code == 200


def test_a_foreign_page_is_403_and_a_listed_one_is_answered(server: Served) -> None:
    foreign = post(server, HELLO_MESSAGE, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert foreign.json()["error"] == "foreign_origin"
    assert "access-control-allow-origin" not in foreign.headers
    own = post(server, HELLO_MESSAGE, headers={"Origin": "http://localhost:6274"})
    assert own.status_code == 200
    assert own.headers["access-control-allow-origin"] == "http://localhost:6274"
    assert "Mcp-Session-Id" in own.headers["access-control-expose-headers"]


def test_a_preflight_is_answered_without_credentials(server: Served) -> None:
    wanted = "authorization, mcp-protocol-version, mcp-session-id, x-api-key"
    preflight = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": wanted,
    }
    answer = carrier.options(f"{server.url}/mcp", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.headers["access-control-allow-headers"] == wanted
    assert "DELETE" in answer.headers["access-control-allow-methods"]


def test_a_page_can_read_why_it_is_refused(server: Served) -> None:
    answer = carrier.post(f"{server.url}/mcp", headers={"Origin": "https://app.example.com"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=x"])
def test_a_request_that_is_too_large_is_413(path: str, server: Served) -> None:
    large = json.dumps({**HELLO_MESSAGE, "padding": "x" * 30_000}).encode()
    for content in (large, iter([large])):
        answer = carrier.post(
            server.url + path, content=content, headers={**ACCEPT, "X-Api-Key": KEY}
        )
        assert answer.status_code == 413
        assert "20000 bytes" in answer.json()["message"]


def test_a_body_that_stops_coming_is_408(server: Served) -> None:
    heard = speak(server, head(server, "Content-Length: 100", "Connection: close") + b'{"json')
    assert heard.startswith(b"HTTP/1.1 408")
    assert b"0.5 s" in heard


def test_a_connection_without_requests_is_closed(server: Served) -> None:
    body = json.dumps(HELLO_MESSAGE).encode()
    accept = f"Accept: {ACCEPT['Accept']}"
    heard = speak(server, head(server, accept, f"Content-Length: {len(body)}") + body)
    assert heard.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-protected-resource", "/.well-known/openid-configuration", "/nope"]
)
def test_an_unknown_address_is_404_as_json(path: str, server: Served) -> None:
    answer = carrier.get(server.url + path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "no_such_address"
    assert "/mcp" in answer.json()["message"]


def test_a_wrong_method_is_405_as_json(server: Served) -> None:
    answer = carrier.post(f"{server.url}/sse", headers={"X-Api-Key": KEY})
    assert answer.status_code == 405
    assert answer.json()["error"] == "no_such_address"


def test_who_calls_too_often_is_429_and_others_are_not() -> None:
    with fake_api() as api, served(api.url, "--serve-calls-per-minute", "5") as server:
        statuses = [post(server, HELLO_MESSAGE).status_code for _ in range(8)]
        late = post(server, HELLO_MESSAGE)
        other = post(server, HELLO_MESSAGE, headers={"X-Api-Key": "skp_other"})
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == late.status_code == 429
    assert 1 <= int(late.headers["retry-after"]) <= 12
    assert "5 requests per minute" in late.json()["message"]
    assert other.status_code == 200


async def test_who_has_too_many_calls_in_flight_is_429() -> None:
    with fake_api() as api, served(api.url, "--serve-max-in-flight", "3") as server:
        with api.paused():
            statuses = await together(server, call("GetProject", project_id=ID), 6)
        assert sorted(statuses)[-3:] == [429, 429, 429]
        assert post(server, HELLO_MESSAGE).status_code == 200


async def together(server: Served, body: Json, count: int) -> list[int]:
    """Statuses of equal requests at one time; those that are refused end the wait of the others."""
    statuses: list[int] = []
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:

        async def send(headers: Mapping[str, str]) -> None:
            answer = await client.post(f"{server.url}/mcp", json=body, headers=headers)
            statuses.append(answer.status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(send, {**headers_for(body), "X-Api-Key": KEY})
    return statuses


async def test_a_base_path_goes_before_every_address() -> None:
    with fake_api() as api, served(api.url, "--serve-base-path", "/team/createos/") as server:
        assert server.url.endswith("/team/createos")
        for wire in ("http", "sse"):
            async with client_of(server, {"X-Api-Key": KEY}, wire=wire) as client:
                result = await client.call_tool("GetProject", {"project_id": ID})
                assert result.structured_content == {"id": "p1"}
        assert carrier.get(f"{server.url}/healthz").status_code == 200
        root = server.url.removesuffix("/team/createos")
        assert carrier.get(f"{root}/mcp").status_code == 404


@pytest.mark.parametrize(("trusted", "scheme"), [((), "http"), (("127.0.0.1",), "https")])
async def test_a_proxys_headers_count_only_if_it_is_trusted(
    trusted: tuple[str, ...], scheme: str
) -> None:
    flags = ("--serve-trusted-proxies", *trusted) if trusted else ()
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    with fake_api() as api, served(api.url, *flags) as server:
        async with client_of(server, {"X-Api-Key": KEY, **forwarded}) as client:
            result = await client.call_tool("UploadDeploymentZip", {"project_id": ID})
    assert result.structured_content is not None
    assert result.structured_content["uploadUrl"].startswith(f"{scheme}://127.0.0.1:")
