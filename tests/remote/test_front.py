"""How requests are read and answered before any tool is called."""

import json
from collections.abc import Iterator

import pytest

from createos_mcp.contract.request_heads import MAX_HEAD_BYTES
from createos_mcp.contract.values import Json
from tests.apis import fake_api
from tests.eras import Era, both_eras
from tests.remote.servers import (
    ACCEPT,
    HELLO_MESSAGE,
    ID,
    KEY,
    Served,
    answer_in,
    call,
    carrier,
    client_of,
    headers_for,
    message,
    post,
    served,
    speak,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with fake_api() as api, served(api.url) as one:
        yield one


DEEP = '{"jsonrpc":"2.0","id":7,"method":"ping","params":' + '{"a":' * 3000 + "1" + "}" * 3001


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"jsonrpc":"2.0","id":7,"method":123}', 7),
        ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"oops"}', 7),
        ('[{"jsonrpc":"2.0","id":7,"method":"ping"}]', 7),
        (
            '{"jsonrpc":"2.0","id":7,"method":"ping","params":' + '{"a":' * 3000 + "1" + "}" * 3001,
            7,
        ),
        ('{"jsonrpc":"2.0","id":7,"method":"ping",', 7),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 1.5),
        ("nothing", None),
    ],
    ids=["method", "params", "batch", "depth", "cut", "id", "no JSON"],
)
@both_eras
def test_a_message_that_cannot_be_served_is_refused_by_its_id(
    era: Era, body: str, told: Json, server: Served
) -> None:
    headers = {**headers_for(message("ping"), era), "X-Api-Key": KEY}
    sent = {**headers, "Content-Type": "application/json"}
    answer = carrier.post(f"{server.url}/mcp", content=body, headers=sent)
    assert answer.status_code == 400
    assert answer.json()["id"] == told
    assert answer.json()["error"]["code"] in {-32700, -32600}


def test_a_batch_of_several_is_refused_with_all_ids(server: Served) -> None:
    batch = [message("ping", number=1), message("ping", number=2)]
    answer = carrier.post(f"{server.url}/mcp", json=batch, headers={**ACCEPT, "X-Api-Key": KEY})
    assert answer.status_code == 400
    assert [row["id"] for row in answer.json()] == [1, 2]


@both_eras
def test_half_of_a_character_is_read_as_the_mark_for_it(era: Era) -> None:
    with fake_api() as api, served(api.url) as server:
        body = call("UpdateProjectSettings", era, project_id=ID, runEnvs={"A": "x\ud83d"})
        headers = {**headers_for(body, era), "X-Api-Key": KEY, "Content-Type": "application/json"}
        answer = carrier.post(f"{server.url}/mcp", content=json.dumps(body), headers=headers)
        assert answer.status_code == 200
        assert api.asked[-1].body["runEnvs"] == {"A": "x\ufffd"}


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_both_spellings_of_an_address_are_served(path: str, server: Served) -> None:
    answer = carrier.post(
        server.url + path, json=HELLO_MESSAGE, headers={**ACCEPT, "X-Api-Key": KEY}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/sse", "/sse/"])
def test_both_spellings_of_the_stream_are_served(path: str, server: Served) -> None:
    with carrier.stream("GET", server.url + path, headers={"X-Api-Key": KEY}) as stream:
        assert stream.status_code == 200


@pytest.mark.parametrize("prefix", ["", "/team"])
@pytest.mark.parametrize(
    "path", ["/messages", "/healthz/", "/uploads", "/uploads/x/", "/metrics/", "/mcp//"]
)
def test_no_answer_is_a_redirect(prefix: str, path: str) -> None:
    with fake_api() as api, served(api.url, "--serve-base-path", prefix or "/") as server:
        answer = carrier.get(server.url + path, headers={"X-Api-Key": KEY})
        assert not 300 <= answer.status_code < 400


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, None),
        ("*/*", None),
        ("application/json", "application/json"),
        ("application/*;q=0.5", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("text/*, application/json;q=0", "text/event-stream"),
    ],
)
@both_eras
def test_the_answer_has_the_form_that_was_asked_for(
    era: Era, accept: str | None, form: str | None, server: Served
) -> None:
    body = call("GetProject", era, project_id=ID)
    headers = {**headers_for(body, era), "X-Api-Key": KEY}
    del headers["Accept"]
    request = carrier.build_request("POST", f"{server.url}/mcp", json=body, headers=headers)
    del request.headers["accept"]
    if accept is not None:
        request.headers["Accept"] = accept
    answer = carrier.send(request)
    assert answer.status_code == 200
    given = answer.headers["content-type"].partition(";")[0]
    assert given == form or form is None
    assert answer_in(answer)["result"]["structuredContent"] == {"id": "p1"}
    if given == "application/json":
        assert answer.json()["id"] == 1


@both_eras
def test_who_accepts_neither_form_is_told_so(era: Era, server: Served) -> None:
    body = call("GetProject", era, project_id=ID)
    headers = {**headers_for(body, era), "Accept": "text/html", "X-Api-Key": KEY}
    answer = carrier.post(f"{server.url}/mcp", json=body, headers=headers)
    assert answer.status_code == 406


def test_a_client_of_json_alone_opens_a_session_and_calls(server: Served) -> None:
    plain = {"Accept": "application/json", "X-Api-Key": KEY}
    opened = carrier.post(f"{server.url}/mcp", json=HELLO_MESSAGE, headers=plain)
    assert opened.json()["result"]["serverInfo"]["name"] == "createos-mcp"
    session = {**plain, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
    listed = carrier.post(f"{server.url}/mcp", json=message("tools/list"), headers=session)
    assert listed.json()["result"]["tools"]


@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/nope"])
@pytest.mark.parametrize(
    "head",
    [
        b"X-Large: " + b"a" * (MAX_HEAD_BYTES + 1),
        b"\r\n".join(b"X-%d: %s" % (number, b"a" * 1000) for number in range(80)),
    ],
    ids=["one header", "many headers"],
)
def test_a_large_head_is_refused_before_anything_else(
    path: str, head: bytes, server: Served
) -> None:
    host = f"Host: 127.0.0.1:{server.port}".encode()
    heard = speak(server, b"GET %s HTTP/1.1\r\n%s\r\n%s\r\n\r\n" % (path.encode(), host, head))
    assert heard.startswith(b"HTTP/1.1 431 ")


def test_a_head_that_never_ends_is_refused(server: Served) -> None:
    heard = speak(server, b"GET /mcp HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_BYTES + 1))
    assert heard.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "evil.example"]])
def test_a_request_has_one_host(hosts: list[str], server: Served) -> None:
    lines = ["GET /healthz HTTP/1.1", *(f"Host: {host}" for host in hosts), "", ""]
    assert speak(server, "\r\n".join(lines).encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:6274.evil.example", "http://localhost:evil", "http://localhost:1@evil"],
)
def test_an_origin_is_compared_whole(origin: str, server: Served) -> None:
    answer = post(server, HELLO_MESSAGE, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:80.evil.example", "localhost:1@evil.example"])
def test_a_host_is_compared_whole(host: str, server: Served) -> None:
    assert post(server, HELLO_MESSAGE, headers={"Host": host}).status_code == 421


def test_white_space_after_a_header_is_no_part_of_it(server: Served) -> None:
    body = json.dumps(call("GetProject", "auto", project_id=ID))
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{server.port} ",
        f"X-Api-Key: {KEY}\t ",
        f"Accept: {ACCEPT['Accept']} ",
        "Content-Type: application/json ",
        "MCP-Protocol-Version: 2026-07-28 ",
        "Mcp-Method: tools/call \t",
        "Mcp-Name: GetProject  ",
        "Connection: close",
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    assert speak(server, "\r\n".join(lines).encode()).startswith(b"HTTP/1.1 200 ")


@both_eras
async def test_an_unknown_resource_is_named_in_the_error(era: Era, server: Served) -> None:
    async with client_of(server, {"X-Api-Key": KEY}, era=era) as client:
        with pytest.raises(Exception, match="no resource") as raised:
            await client.read_resource("createos://nothing/here")
    assert raised.value.error.data == {"uri": "createos://nothing/here"}  # type: ignore[attr-defined]
