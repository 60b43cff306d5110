import contextlib
import json
import threading
from collections.abc import Iterator

import httpx2
import psutil
import pytest

from createos_mcp.contract.values import Json
from tests.apis import FakeApi, fake_api
from tests.eras import Era, both_eras
from tests.eventually import eventually_now
from tests.remote.servers import (
    ACCEPT,
    HELLO_MESSAGE,
    ID,
    KEY,
    PATIENCE_S,
    Served,
    answer_in,
    call,
    carrier,
    client_of,
    headers_for,
    message,
    post,
    served,
)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[FakeApi, Served]]:
    with fake_api() as api, served(api.url) as server:
        yield api, server


def open_session(server: Served, key: str = KEY) -> dict[str, str]:
    opened = post(server, HELLO_MESSAGE, headers={"X-Api-Key": key})
    return {"Mcp-Session-Id": opened.headers["mcp-session-id"], "X-Api-Key": key}


async def test_a_client_goes_on_working_after_the_server_was_restarted() -> None:
    with fake_api() as api, served(api.url) as first:
        flags = ("--serve-port", str(first.port))
        async with client_of(first, {"X-Api-Key": KEY}, era="legacy") as client:
            before = await client.call_tool("GetProject", {"project_id": ID})
            listed = await client.list_tools()
            assert first.stop() == 0
            with served(api.url, *flags):
                after = await client.call_tool("GetProject", {"project_id": ID})
                assert (await client.list_tools()).tools == listed.tools
    assert after.structured_content == before.structured_content == {"id": "p1"}


def test_a_lost_session_has_no_stream_and_can_be_ended(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    lost = {**headers_for(message("ping")), "X-Api-Key": KEY}
    assert carrier.get(f"{server.url}/mcp", headers=lost).status_code == 405
    assert carrier.delete(f"{server.url}/mcp", headers=lost).status_code == 204


def test_a_session_that_its_client_ended_is_404(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    session = open_session(server)
    assert carrier.delete(f"{server.url}/mcp", headers=session).status_code == 200
    answer = post(server, call("GetProject", project_id=ID), headers=session)
    assert answer.status_code == 404
    assert "initialize" in answer.json()["message"]
    other = open_session(server)
    answer = post(server, call("GetProject", project_id=ID), headers=other)
    assert answer_in(answer)["result"]["structuredContent"] == {"id": "p1"}


def test_a_call_without_a_session_is_answered_and_opens_none(
    running: tuple[FakeApi, Served],
) -> None:
    _, server = running
    body = call("GetProject", project_id=ID)
    answer = carrier.post(f"{server.url}/mcp", json=body, headers={**ACCEPT, "X-Api-Key": KEY})
    assert answer_in(answer)["result"]["structuredContent"] == {"id": "p1"}
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (HELLO_MESSAGE, {"Accept": "text/html"}),
        (HELLO_MESSAGE, {"Content-Type": "text/plain"}),
        (message("initialize", {"protocolVersion": 5}), {}),
        (message("initialize", {}), {}),
        ({**HELLO_MESSAGE, "method": 5}, {}),
    ],
    ids=["form", "type", "params", "no params", "method"],
)
def test_a_refused_opening_opens_no_session(
    body: Json, headers: dict[str, str], running: tuple[FakeApi, Served]
) -> None:
    _, server = running
    sent = {**ACCEPT, "Content-Type": "application/json", "X-Api-Key": KEY, **headers}
    answer = carrier.post(f"{server.url}/mcp", content=json.dumps(body), headers=sent)
    assert 400 <= answer.status_code < 500
    assert "mcp-session-id" not in answer.headers


def test_another_users_session_cannot_be_listened_to(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    session = {**open_session(server), "X-Api-Key": "skp_thief"}
    listening = {**headers_for(message("ping")), **session}
    assert carrier.get(f"{server.url}/mcp", headers=listening).status_code == 405
    assert carrier.delete(f"{server.url}/mcp", headers=session).status_code == 204
    own = {**session, "X-Api-Key": KEY}
    with carrier.stream("GET", f"{server.url}/mcp", headers={**listening, **own}) as stream:
        assert stream.status_code == 200


@both_eras
async def test_a_call_in_flight_is_answered_before_the_server_ends(
    era: Era, running: tuple[FakeApi, Served]
) -> None:
    api, _ = running
    body = call("GetProject", era, project_id=ID)
    with served(api.url) as server, api.paused():
        headers = {**headers_for(body, era), **open_session(server)}
        if era == "auto":
            del headers["Mcp-Session-Id"]
        answers: list[httpx2.Response] = []
        asked = len(api.asked)

        def ask() -> None:
            answers.append(carrier.post(f"{server.url}/mcp", json=body, headers=headers))

        thread = threading.Thread(target=ask)
        thread.start()
        eventually_now(lambda: len(api.asked) > asked)
        server.process.terminate()
        eventually_now(lambda: not listens(server))
        assert server.process.poll() is None
        api.is_open.set()
        thread.join(PATIENCE_S)
        assert server.process.wait(PATIENCE_S) == 0
    (answer,) = answers
    assert answer_in(answer)["result"]["structuredContent"] == {"id": "p1"}


async def test_open_streams_do_not_keep_the_server_from_ending() -> None:
    with fake_api() as api, served(api.url) as server:
        session = open_session(server)
        listening = {**headers_for(message("ping")), **session}
        with (
            carrier.stream("GET", f"{server.url}/mcp", headers=listening) as one,
            carrier.stream("GET", f"{server.url}/sse", headers={"X-Api-Key": KEY}) as other,
        ):
            assert one.status_code == other.status_code == 200
            assert server.stop() == 0


def test_a_call_that_does_not_finish_ends_with_the_time_for_stopping() -> None:
    with fake_api() as api, served(api.url, "--serve-stop-timeout-s", "1") as server, api.paused():
        body = call("GetProject", project_id=ID)

        def ask() -> None:
            with contextlib.suppress(httpx2.HTTPError):
                post(server, body)

        thread = threading.Thread(target=ask)
        thread.start()
        eventually_now(lambda: any("/projects/" in asked.path for asked in api.asked))
        assert server.stop() == 0
        thread.join(PATIENCE_S)


def test_sessions_that_were_dropped_are_forgotten() -> None:
    with fake_api() as api, served(api.url, "--serve-session-idle-s", "1") as server:
        sessions = [open_session(server) for _ in range(20)]
        listening = {**headers_for(message("ping")), **sessions[0]}

        def is_forgotten() -> bool:
            with carrier.stream("GET", f"{server.url}/mcp", headers=listening) as stream:
                return stream.status_code == 405

        eventually_now(is_forgotten, pause_s=1.2)


def listens(server: Served) -> bool:
    connections = psutil.Process(server.process.pid).net_connections(kind="tcp")
    return any(connection.status == psutil.CONN_LISTEN for connection in connections)
