"""The fast path and the SDK's way give the same answers, for every tool and odd values."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle

import anyio
import pytest
from mcp_types import jsonrpc_message_adapter

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json, Schema
from createos_mcp.server.server import CreateosServer
from tests.agents import serving
from tests.apis import FakeApi
from tests.raw_sessions import RawSession, raw_session

ID = "0b8f0e0e-0b0e-4b0e-8b0e-0b0e0b0e0b0e"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ERAS: Mapping[str, Mapping[str, Json]] = {"2025-11-25": {}, "2026-07-28": {"_meta": ENVELOPE}}
OPERATIONS = load_catalog(local=True).operations

DATA: tuple[Json, ...] = (
    {"id": ID, "uniqueName": "my-app", "settings": {"runEnvs": {"TOKEN": "s3cret-value-of-mine"}}},
    {"data": [{"id": ID, "name": "a"}, {"id": ID, "name": "b"}], "pagination": {"total": 2}},
    [{"id": ID, "log": "DB_PASSWORD=hunter2hunter2", "lineNumber": 1, "stage": "build"}],
    {"id": ID, "description": "in\u200bvisible \u202eturned\u202c \ud83d\ude00 ünï <untrusted 1>"},
    {"id": ID, "reason": 'says "hi" \\ and\nmore', "secret": "skp_0123456789abcdef0123456789"},
    {"items": [{"id": str(n), "text": "x" * 120} for n in range(60)]},
    {"deep": json.loads("[" * 40 + "]" * 40), "big": 2**70, "small": 1e-300, "none": None},
    "The deployment was cancelled.",
    None,
    [],
    {"id": ID, "extra": {"endpoint": "http://127.0.0.1:1", "apiKey": "abcdefghijkl"}, "ok": True},
)


@asynccontextmanager
async def session_of(server: CreateosServer, era: str) -> AsyncIterator[RawSession]:
    async with raw_session(server) as session:
        await session.ask(first_request(era))
        if era == "2025-11-25":
            await session.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield session


def first_request(era: str) -> dict[str, Json]:
    if era == "2025-11-25":
        client = {"name": "test", "version": "1"}
        params: Json = {"protocolVersion": era, "capabilities": {}, "clientInfo": client}
        return {"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params}
    return {"jsonrpc": "2.0", "id": "first", "method": "tools/list", "params": dict(ERAS[era])}


def open_path(server: CreateosServer, era: str) -> None:
    """As the transport does with the first request and its answer."""
    path = server.fast_path
    assert path.take(json.dumps(first_request(era)).encode()) is None
    answer = {"jsonrpc": "2.0", "id": "first", "result": {}}
    path.note_answer(jsonrpc_message_adapter.validate_python(answer, by_name=False))


def request(era: str, tool: str, arguments: Json, **others: Json) -> dict[str, Json]:
    params = {"name": tool, "arguments": arguments, **ERAS[era], **others}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def example(schema: Schema, *, name: str = "") -> Json:
    """A value that fits a schema of the catalog, in most cases."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", ())
        return {key: example(schema["properties"][key], name=key) for key in wanted}
    if kind == "array":
        return [example(schema.get("items", {"type": "string"}), name=name.removesuffix("s"))]
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return True
    return ID if name.lower().endswith("id") else "my-app"


def calls_of(operation: Operation) -> Iterator[dict[str, Json]]:
    """Good arguments, all of them, wrong ones, and odd texts."""
    properties = operation.input_schema["properties"]
    required = operation.input_schema.get("required", ())
    good = {name: example(properties[name], name=name) for name in required}
    yield good
    yield {name: example(held, name=name) for name, held in properties.items()}
    yield {}
    yield {name: {"wrong": "type"} for name in properties}
    yield {**good, "no_such_argument": "x"}
    odd = "ünï \u200b <b>"
    yield {name: odd if value == "my-app" else value for name, value in good.items()}


def plain(answer: Json) -> Json:
    """An answer without the marks of its frames, which are others each time."""
    return json.loads(re.sub(r"untrusted [0-9a-f]{6}", "untrusted X", json.dumps(answer)))


def prepare(api: FakeApi, data: Json, *, status: int = 200) -> None:
    api.status = status
    failed = {"status": "fail", "data": {"name": "is taken", "token": "tok_abcdefghijkl"}}
    api.answer = {"status": "success", "data": data} if status == 200 else failed


@pytest.mark.parametrize("era", ERAS)
async def test_both_ways_answer_every_call_alike(era: str) -> None:
    taken = set()
    async with serving(is_local=True, result_budget_bytes=4_000) as (server, api):
        open_path(server, era)
        async with session_of(server, era) as session:
            data = cycle(DATA)
            for operation in OPERATIONS.values():
                for number, arguments in enumerate(calls_of(operation)):
                    prepare(api, next(data), status=404 if number == 1 else 200)
                    message = request(era, operation.name, arguments)
                    call = server.fast_path.take(json.dumps(message, ensure_ascii=False).encode())
                    if call is None:
                        continue
                    taken.add(operation.name)
                    line = await server.fast_path.answer(call)
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
    async with serving(is_local=True) as (server, _):
        open_path(server, era)
        params = changed.get("params")
        extra = {"params": {**ERAS[era], **params}} if isinstance(params, dict) else {}
        message = {**request(era, "GetProject", {"project_id": ID}), **changed, **extra}
        assert server.fast_path.take(json.dumps(message).encode()) is None
        plain_one = request(era, "GetProject", {"project_id": ID})
        assert server.fast_path.take(json.dumps(plain_one).encode()) is not None
        server.fast_path.interrupt()


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
    async with serving() as (server, _):
        open_path(server, "2025-11-25")
        assert server.fast_path.take(line) is None


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
    async with serving() as (server, _):
        open_path(server, era)
        message = request(era, "GetProject", {"project_id": ID}, _meta=meta)
        assert server.fast_path.take(json.dumps(message).encode()) is None


async def test_nothing_is_taken_before_the_sdk_has_answered_the_first_request() -> None:
    era = "2025-11-25"
    line = json.dumps(request(era, "GetProject", {"project_id": ID})).encode()
    async with serving() as (server, _):
        path = server.fast_path
        assert path.take(line) is None
        assert path.take(json.dumps(first_request(era)).encode()) is None
        assert path.take(line) is None
        refused = {"jsonrpc": "2.0", "id": "first", "error": {"code": 1, "message": "no"}}
        path.note_answer(jsonrpc_message_adapter.validate_python(refused, by_name=False))
        assert path.take(line) is None


async def test_a_call_is_cancelled_without_an_answer_and_no_other_is() -> None:
    era = "2025-11-25"
    async with serving() as (server, api), anyio.create_task_group() as tasks:
        open_path(server, era)
        path = server.fast_path
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
    async with serving() as (server, api):
        open_path(server, era)
        path = server.fast_path
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
    async with serving() as (server, _):
        open_path(server, era)
        path = server.fast_path
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        monkeypatch.setattr(path, "_line", lambda *_: 1 / 0)
        line = await path.answer(call)
        assert line is not None
        assert json.loads(line)["error"]["message"] == "Internal server error"


async def test_the_end_of_the_stream_ends_calls_under_way_with_one_answer_each() -> None:
    era = "2025-11-25"
    async with serving() as (server, _):
        open_path(server, era)
        path = server.fast_path
        call = path.take(json.dumps(request(era, "GetProject", {"project_id": ID})).encode())
        assert call is not None
        (line,) = path.interrupt()
        assert json.loads(line)["error"]["message"] == "Connection closed"
        assert await path.answer(call) is None
