"""The fast path and the SDK's way give the same answers, for every tool and odd values."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle

import anyio
import pytest
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR

from createos_mcp.contract.values import Json
from createos_mcp.server.fast_path import FastPath, is_initialized
from createos_mcp.server.greeting import HANDSHAKE_VERSIONS
from createos_mcp.server.lists import LISTS, Lists
from createos_mcp.server.offer import Offer
from createos_mcp.server.plain_calls import PlainCalls
from createos_mcp.server.server import build_server
from createos_mcp.server.toolsets import Selection
from tests.agents import serving
from tests.plain_cases import (
    DATA,
    ENVELOPE,
    ERAS,
    ID,
    OPERATIONS,
    calls_of,
    plain,
    prepare,
    request,
)
from tests.raw_sessions import RawSession, raw_session


@asynccontextmanager
async def session_of(offer: Offer, era: str, **client: Json) -> AsyncIterator[RawSession]:
    async with raw_session(build_server(offer)) as session:
        await session.ask(first_request(era, **client))
        if era != "2026-07-28":
            await session.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield session


def first_request(era: str, **capabilities: Json) -> dict[str, Json]:
    if era != "2026-07-28":
        client = {"name": "test", "version": "1"}
        params: Json = {"protocolVersion": era, "capabilities": capabilities, "clientInfo": client}
        return {"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params}
    params = _list_params(era, capabilities)
    return {"jsonrpc": "2.0", "id": "first", "method": "tools/list", "params": params}


def _list_params(era: str, capabilities: Json) -> dict[str, Json]:
    if era != "2026-07-28":
        return {}
    return {"_meta": {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": capabilities}}


def path_of(offer: Offer) -> FastPath:
    return FastPath(PlainCalls(offer), Lists(offer))


def open_path(offer: Offer, era: str, **client: Json) -> FastPath:
    """As the transport does with the first request and its answer."""
    path = path_of(offer)
    assert path.take(json.dumps(first_request(era, **client)).encode()) is None
    path.note_answer("first", is_error=False)
    return path


@pytest.mark.parametrize("era", ERAS)
async def test_both_ways_answer_every_call_alike(era: str) -> None:
    taken = set()
    async with serving(is_local=True, result_budget_bytes=4_000) as (offer, api):
        path = open_path(offer, era)
        async with session_of(offer, era) as session:
            data = cycle(DATA)
            for operation in OPERATIONS.values():
                for number, arguments in enumerate(calls_of(operation)):
                    prepare(api, next(data), status=404 if number == 1 else 200)
                    message = request(era, operation.name, arguments)
                    call = path.take(json.dumps(message, ensure_ascii=False).encode())
                    if call is None:
                        continue
                    taken.add(operation.name)
                    line = await path.answer(call)
                    assert line is not None
                    slow = await session.ask(message)
                    assert plain(json.loads(line)) == plain(slow), (operation.name, arguments)
    assert len(taken) > len(OPERATIONS) / 2


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "changed",
    [
        {"method": "tools/list"},
        {"id": None},
        {"id": True},
        {"id": 1.5},
        {"jsonrpc": "1.0"},
        {"extra": 1},
        {"params": None},
        {"params": {"name": "GetProject"}},
        {"params": {"name": "NoSuchTool", "arguments": {}}},
        {"params": {"name": "Deploy", "arguments": {}}},
        {"params": {"name": "DeleteProject", "arguments": {"project_id": ID}}},
        {"params": {"name": "CreateAPIKey", "arguments": {}}},
        {"params": {"name": "GetProject", "arguments": "{}"}},
        {"params": {"name": "GetProject", "arguments": {"project_id": ID, "reveal": "A"}}},
        {"params": {"name": "GetProject", "arguments": {"Reveal": "A", "project_id": ID}}},
        {"params": {"name": "GetProject", "arguments": {"project_id": ID}, "task": {}}},
    ],
    ids=str,
)
async def test_what_needs_a_session_or_is_in_doubt_goes_the_sdks_way(
    changed: Mapping[str, Json], era: str
) -> None:
    async with serving(is_local=True) as (offer, _):
        path = open_path(offer, era)
        params = changed.get("params")
        extra = {"params": {**ERAS[era], **params}} if isinstance(params, dict) else {}
        message = {**request(era, "GetProject", {"project_id": ID}), **changed, **extra}
        assert path.take(json.dumps(message).encode()) is None
        plain_one = request(era, "GetProject", {"project_id": ID})
        assert path.take(json.dumps(plain_one).encode()) is not None
        path.interrupt()


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GetProject","arguments":{"project_id":NaN}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GetProject","arguments":{"project_id":"\\ud83d"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GetProject","arguments":{"project_id":"\xff"}}}',
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}]',
        b'{"method":"tools/call"',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GetQuotas","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GetProject","arguments":{"project_id":'
        + b"[" * 250
        + b"]" * 250
        + b"}}}",
    ],
)
async def test_what_is_mended_or_refused_is_left_to_those_who_do(line: bytes) -> None:
    async with serving() as (offer, _):
        path = open_path(offer, "2025-11-25")
        assert path.take(line) is None


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {**ENVELOPE, "progressToken": 1},
        {**ENVELOPE, "traceparent": "00-1-2-01"},
        {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2027-01-01"},
        {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}},
        {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": 7},
    ],
)
async def test_a_modern_call_is_taken_only_with_the_envelope_that_the_sdk_has_accepted(
    meta: Json,
) -> None:
    era = "2026-07-28"
    async with serving() as (offer, _):
        path = open_path(offer, era)
        message = request(era, "GetProject", {"project_id": ID}, _meta=meta)
        assert path.take(json.dumps(message).encode()) is None


async def test_a_call_whose_project_is_pinned_goes_the_sdks_way() -> None:
    era = "2025-11-25"
    async with serving(selection=Selection(project="my-app")) as (offer, _):
        path = open_path(offer, era)
        message = request(era, "GetProject", {"project_id": "my-app"})
        assert path.take(json.dumps(message).encode()) is None


@pytest.mark.parametrize(
    "selection",
    [
        Selection(project="my-app"),
        Selection(read_only=True),
        Selection(toolsets=frozenset({"domains"})),
        Selection(toolsets=frozenset({"dynamic"})),
        Selection(tools=frozenset({"Deploy"}), exclude_tools=frozenset({"GetProject"})),
    ],
    ids=["a project", "reading", "a toolset", "a search", "tools"],
)
@pytest.mark.parametrize("method", sorted(LISTS))
async def test_a_list_is_the_sdks_where_less_is_offered(selection: Selection, method: str) -> None:
    era = "2026-07-28"
    async with serving(is_local=True, selection=selection) as (offer, _):
        path = open_path(offer, era)
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": dict(ERAS[era])}
        async with session_of(offer, era) as session:
            theirs = await session.ask(message)
        ours = path.list_line(json.dumps(message).encode())
    assert ours is not None
    assert json.loads(ours) == theirs


async def test_nothing_is_taken_before_the_sdk_has_answered_the_first_request() -> None:
    era = "2025-11-25"
    line = json.dumps(request(era, "GetProject", {"project_id": ID})).encode()
    async with serving() as (offer, _):
        path = path_of(offer)
        assert path.take(line) is None
        assert path.take(json.dumps(first_request(era)).encode()) is None
        assert path.take(line) is None
        path.note_answer("first", is_error=True)
        assert path.take(line) is None


async def test_it_is_known_whether_spans_are_collected() -> None:
    """In a process of its own, since a provider is set once and for all."""
    done = await anyio.run_process([sys.executable, "-c", COLLECTING], check=False)
    assert done.stdout.decode().split() == ["False", "True"], done.stderr.decode()


COLLECTING = """
from createos_mcp.server import spans
print(spans.are_collected())
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
print(spans.are_collected())
"""


@pytest.mark.parametrize("collected", [True, False])
async def test_where_spans_are_collected_the_sdk_answers_and_makes_them(
    monkeypatch: pytest.MonkeyPatch,
    *,
    collected: bool,
) -> None:
    era = "2025-11-25"
    line = json.dumps(request(era, "GetProject", {"project_id": ID})).encode()
    async with serving() as (offer, _):
        path = open_path(offer, era)
        monkeypatch.setattr("createos_mcp.server.spans.are_collected", lambda: collected)
        assert (path.take(line) is None) is collected
        listed = path.list_line(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
        assert (listed is None) is collected
        path.interrupt()


async def test_a_call_is_cancelled_without_an_answer_and_no_other_is() -> None:
    era = "2025-11-25"
    async with serving() as (offer, api), anyio.create_task_group() as tasks:
        path = open_path(offer, era)
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        lines = []

        async def answer() -> None:
            lines.append(await path.answer(call))

        with api.paused():
            tasks.start_soon(answer)
            await anyio.sleep(0.1)
            same_id = json.dumps(request(era, "GetProject", {"project_id": ID})).encode()
            assert path.take(same_id) is None
            for wanted, is_ours in ((8, False), (True, False), (7.0, False), ("7", True)):
                cancel = {
                    "jsonrpc": "2.0",
                    "method": "notifications/cancelled",
                    "params": {"requestId": wanted},
                }
                assert path.cancel(json.dumps(cancel).encode()) is is_ours
            await anyio.sleep(0.1)
    assert lines == [None]


async def test_a_call_is_cancelled_before_it_has_begun() -> None:
    era = "2025-11-25"
    async with serving() as (offer, api):
        path = open_path(offer, era)
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        notice = {"method": "notifications/cancelled", "params": {"requestId": 7}}
        asked = json.dumps({"jsonrpc": "2.0", "id": 9, **notice}).encode()
        assert not path.cancel(asked)  # a request of that name is not a notice
        assert path.cancel(json.dumps({"jsonrpc": "2.0", **notice}).encode())
        assert await path.answer(call) is None
    assert api.asked == []


async def test_a_call_that_fails_in_an_unknown_way_ends_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    era = "2025-11-25"
    async with serving() as (offer, _):
        monkeypatch.setattr(PlainCalls, "_message", lambda *_: 1 / 0)
        path = open_path(offer, era)
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        line = await path.answer(call)
        assert line is not None
        assert json.loads(line)["error"] == {
            "code": INTERNAL_ERROR,
            "message": "Internal server error",
        }


async def test_the_end_of_the_stream_ends_calls_under_way_with_one_answer_each() -> None:
    era = "2025-11-25"
    async with serving() as (offer, _):
        path = open_path(offer, era)
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        (line,) = path.interrupt()
        assert json.loads(line)["error"] == {
            "code": CONNECTION_CLOSED,
            "message": "Connection closed",
        }
        assert await path.answer(call) is None


DRAWS = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}


@pytest.mark.parametrize("era", [*HANDSHAKE_VERSIONS, "2026-07-28"])
@pytest.mark.parametrize("method", sorted(LISTS))
@pytest.mark.parametrize(
    "client",
    [{}, {"extensions": DRAWS}, {"extensions": {"io.modelcontextprotocol/ui": {}}}],
    ids=["plain", "draws", "draws nothing of ours"],
)
async def test_a_list_is_the_sdks(era: str, method: str, client: dict[str, Json]) -> None:
    async with serving(is_local=True) as (offer, _):
        path = open_path(offer, era, **client)
        params = _list_params(era, client)
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        async with session_of(offer, era, **client) as session:
            theirs = await session.ask(message)
        for given_id in (7, "x"):
            ours = path.list_line(json.dumps({**message, "id": given_id}).encode())
            assert ours is not None
            assert json.loads(ours) == {**theirs, "id": given_id}


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "tools/call"},
        {"method": ["tools/list"]},
        {"method": {"tools/list": 1}},
        {"params": {"cursor": "x"}},
        {"params": {"_meta": {"progressToken": 1}}},
        {"params": []},
        {"id": None},
        {"id": True},
        {"id": "half \ud83d"},
        {"jsonrpc": "1.0"},
        {"extra": 1},
    ],
    ids=str,
)
async def test_a_request_that_is_more_than_one_for_a_list_is_the_sdks(
    changed: Mapping[str, Json],
) -> None:
    async with serving() as (offer, _):
        path = open_path(offer, "2025-11-25")
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
        assert path.list_line(json.dumps(message).encode()) is not None
        assert path.list_line(json.dumps({**message, **changed}).encode()) is None


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, True),
        ({"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}}, True),
        ({"jsonrpc": "2.0", "method": "notifications/initialized", "id": 1}, False),
        ({"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"_meta": {}}}, False),
        ({"jsonrpc": "1.0", "method": "notifications/initialized"}, False),
        ({"jsonrpc": "2.0", "method": "notifications/cancelled"}, False),
        ([], False),
        (None, False),
    ],
    ids=str,
)
def test_the_notice_that_ends_a_greeting_is_told_from_others(
    message: Json, *, is_one: bool
) -> None:
    assert is_initialized(json.dumps(message).encode()) is is_one
