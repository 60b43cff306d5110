import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.apis import fake_api
from tests.remote.servers import (
    ACCEPT,
    HELLO_MESSAGE,
    ID,
    KEY,
    MODERN,
    PATIENCE_S,
    Served,
    call,
    carrier,
    post,
    served,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    limits = ("--serve-calls-per-minute", "1000000", "--serve-body-timeout-s", "0.5")
    with fake_api() as api, served(api.url, *limits) as one:
        yield one
        assert post(one, HELLO_MESSAGE).status_code == 200
        assert "Traceback" not in one.log_text()


def send(server: Served, content: bytes, **headers: str) -> int:
    """The status of an answer that has to be a proper one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = carrier.post(
        f"{server.url}/mcp",
        content=content,
        headers={**ACCEPT, "Content-Type": "application/json", "X-Api-Key": KEY, **named},
    )
    assert "Traceback" not in answer.text
    assert answer.status_code < 500, answer.text
    return answer.status_code


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": 7}',
        b"[" * 20_000,
        b'{"a":' * 20_000,
    ],
    ids=range(11),
)
@pytest.mark.parametrize(
    "session", [{}, {"Mcp_Session_Id": "lost"}, {"MCP_Protocol_Version": MODERN}]
)
def test_what_is_no_message_is_a_client_error(
    content: bytes, session: dict[str, str], server: Served
) -> None:
    assert 400 <= send(server, content, **session) < 500


@pytest.mark.parametrize("number", ["null", "{}", "1.5", str(10**400), '"x"'])
def test_an_odd_id_is_answered(number: str, server: Served) -> None:
    content = f'{{"jsonrpc": "2.0", "id": {number}, "method": "ping"}}'.encode()
    for session in ({}, {"Mcp_Session_Id": "lost"}, {"MCP_Protocol_Version": MODERN}):
        assert send(server, content, **session) < 500


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "x"])
def test_another_content_type_is_refused(kind: str, server: Served) -> None:
    content = json.dumps(HELLO_MESSAGE).encode()
    assert send(server, content, Content_Type=kind) in {400, 415}


def test_a_client_that_accepts_nothing_we_have_is_406(server: Served) -> None:
    assert send(server, json.dumps(HELLO_MESSAGE).encode(), Accept="image/png") == 406


@pytest.mark.parametrize("version", ["2099-01-01", "x", "1" * 5_000, MODERN])
def test_an_odd_protocol_version_is_a_client_error(version: str, server: Served) -> None:
    content = json.dumps(HELLO_MESSAGE).encode()
    assert 400 <= send(server, content, MCP_Protocol_Version=version) < 500


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=range(7),
)
def test_bytes_that_are_no_request_end_the_connection_and_not_the_server(
    sent: bytes, server: Served
) -> None:
    heard = b""
    with closing(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)) as line:
        line.sendall(sent)
        with suppress(OSError):  # the server may have closed it by now
            line.shutdown(socket.SHUT_WR)
        try:
            while piece := line.recv(65536):
                heard += piece
        except ConnectionResetError:
            pass
    assert not heard or heard.startswith(b"HTTP/1.1 4")
    assert carrier.get(f"{server.url}/healthz").status_code == 200


def test_a_body_that_ends_early_is_dropped(server: Served) -> None:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {KEY}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with closing(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)) as line:
        line.sendall(head.encode())
    assert post(server, HELLO_MESSAGE).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

MESSAGES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"jsonrpc": st.sampled_from(["2.0", 2]), "id": JSON, "method": st.text() | JSON},
        optional={"params": JSON},
    ),
    st.builds(lambda value: call("GetProject", project_id=value), JSON),
    st.builds(
        lambda value: {**call("GetProject", project_id=ID), "params": value},
        st.dictionaries(st.sampled_from(["name", "arguments", "_meta", "cursor"]), JSON),
    ),
)


@settings(
    max_examples=1_000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    content=st.one_of(st.binary(max_size=200), MESSAGES.map(lambda m: json.dumps(m).encode())),
    session=st.sampled_from([{}, {"Mcp_Session_Id": "lost"}, {"MCP_Protocol_Version": MODERN}]),
)
def test_any_payload_gets_a_proper_answer(
    content: bytes, session: dict[str, str], server: Served
) -> None:
    assert send(server, content, **session) < 500


@settings(max_examples=200, deadline=None)
@given(method=st.sampled_from(["GET", "PUT", "DELETE", "PATCH"]), path=st.text(max_size=30))
def test_any_address_gets_a_proper_answer(method: str, path: str, server: Served) -> None:
    """Hypothesis draws the path; what no address can hold is percent-encoded by the client."""
    shown = path.replace("?", "").replace("#", "").encode("utf-8", "replace").hex()
    for place in (f"/{shown}", f"/messages/?session_id={shown}", f"/uploads/{shown or 'x'}"):
        answer = carrier.request(method, server.url + place, headers={"X-Api-Key": KEY})
        assert answer.status_code < 500, (method, place, answer.text)
