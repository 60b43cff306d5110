"""The greeting says what the SDK would say, and leaves to the SDK what is out of the ordinary."""

import json
import os
import threading
from collections.abc import Mapping

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from createos_mcp.contract.schema_directory import read_instructions, schema_directory
from createos_mcp.contract.values import Json
from createos_mcp.server.greeting import (
    HANDSHAKE_VERSIONS,
    LONGEST_BYTES,
    answer_greeting,
    greet,
)
from createos_mcp.server.ordinary_requests import MODERN_VERSION
from createos_mcp.server.server import build_server
from tests.agents import serving
from tests.raw_sessions import raw_session

CLIENT = {"name": "a client", "title": "A client", "version": "1"}
CAPABILITIES = {"roots": {"listChanged": True}, "elicitation": {}, "extensions": {"a/b": {}}}
META = "io.modelcontextprotocol/"


def initialize(version: str = "2025-11-25", **others: Json) -> dict[str, Json]:
    params = {"protocolVersion": version, "capabilities": CAPABILITIES, "clientInfo": CLIENT}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**params, **others}}


def discover(version: Json = MODERN_VERSION, **others: Json) -> dict[str, Json]:
    meta = {
        f"{META}protocolVersion": version,
        f"{META}clientInfo": CLIENT,
        f"{META}clientCapabilities": CAPABILITIES,
    }
    params = {"_meta": {**meta, **others}}
    return {"jsonrpc": "2.0", "id": "one", "method": "server/discover", "params": params}


def answer(message: Mapping[str, Json]) -> Json:
    return answer_greeting(json.dumps(message).encode(), "Be kind.")


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "cloud"])
@pytest.mark.parametrize(
    "message",
    [*map(initialize, HANDSHAKE_VERSIONS), discover()],
    ids=[*HANDSHAKE_VERSIONS, MODERN_VERSION],
)
async def test_it_is_the_answer_of_the_sdk(message: dict[str, Json], *, is_local: bool) -> None:
    instructions = read_instructions(schema_directory(), local=is_local)
    async with (
        serving(is_local=is_local) as (offer, _),
        raw_session(build_server(offer)) as session,
    ):
        theirs = await session.ask(message)
    assert answer_greeting(json.dumps(message).encode(), instructions) == theirs


def test_it_knows_every_version_of_the_sdk() -> None:
    assert set(HANDSHAKE_VERSIONS) == set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert {MODERN_VERSION} == set(MODERN_PROTOCOL_VERSIONS)


@pytest.mark.parametrize(
    "message",
    [
        initialize("2031-01-01"),
        initialize(clientInfo={"name": "nameless"}),
        initialize(clientInfo={"name": "x", "version": 1}),
        initialize(clientInfo="x"),
        initialize(capabilities={"roots": 5}),
        initialize(capabilities=None),
        initialize(capabilities={"elicitation": {"form": "x"}}),
        initialize(capabilities={"sampling": {"other": {}}}),
        initialize(capabilities={"roots": {"listChanged": "yes"}}),
        initialize(capabilities={"experimental": {"deep": json.loads("[" * 60 + "]" * 60)}}),
        initialize(capabilities={"experimental": {"x": {"y": float("nan")}}}),
        initialize(capabilities={"of tomorrow": {}}),
        initialize(clientInfo={**CLIENT, "icons": "no"}),
        initialize(_meta={"progressToken": 1}),
        initialize(protocolVersion=["2025-11-25"]),
        discover("2027-01-01"),
        discover(**{f"{META}more": "x"}),
        {**initialize(), "id": None},
        {**initialize(), "id": True},
        {**initialize(), "id": 1.5},
        {**initialize(), "id": "half \ud83d"},
        {**initialize(), "jsonrpc": "1.0"},
        {**initialize(), "params": []},
        {**initialize(), "method": "tools/list"},
        {**initialize(), "method": ["initialize"]},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ],
)
def test_the_sdk_sees_what_is_out_of_the_ordinary_first(message: dict[str, Json]) -> None:
    assert answer(message) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"no JSON",
        b"\xff{}",
        b"[" * 5000,
        json.dumps(initialize()).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(initialize()).encode(),
    ],
    ids=["nothing", "a list", "a text", "no UTF-8", "depth", "UTF-16", "a mark of order"],
)
def test_so_it_does_what_is_no_message(line: bytes) -> None:
    assert answer_greeting(line, "Be kind.") is None


def greet_with(said: bytes) -> tuple[bytes, bytes, Json]:
    """What was read, written and answered for a client that says this and leaves."""
    from_client, client = os.pipe()
    from_server, server = os.pipe()
    os.write(client, said)
    os.close(client)
    try:
        greeting = greet(from_client, server, "Be kind.")
    finally:
        os.close(from_client)
        os.close(server)
    with os.fdopen(from_server, "rb") as written:
        return greeting.read, written.read(), greeting.answered


def test_pipes_that_do_not_block_are_waited_for() -> None:
    from_client, client = os.pipe()
    from_server, server = os.pipe()
    os.set_blocking(from_client, False)
    os.set_blocking(server, False)
    said = json.dumps(initialize()).encode() + b"\n"
    speaking = threading.Timer(0.2, os.write, (client, said))
    heard: list[bytes] = []

    def listen() -> None:
        with os.fdopen(from_server, "rb") as answers:
            heard.append(answers.read())

    listening = threading.Timer(0.4, listen)
    speaking.start()
    listening.start()
    # More than a pipe takes at once.
    greeting = greet(from_client, server, "x" * 200_000)
    for descriptor in (from_client, client, server):
        os.close(descriptor)
    listening.join()
    assert greeting.answered == 1
    assert len(json.loads(heard[0])["result"]["instructions"]) == 200_000


def test_nothing_that_was_read_is_lost() -> None:
    said = json.dumps(initialize()).encode() + b'\n{"jsonrpc": "2.0", "meth'
    read, written, answered = greet_with(said)
    assert (read, answered) == (said, 1)
    assert json.loads(written)["result"]["instructions"] == "Be kind."


@pytest.mark.parametrize(
    "said",
    [b"", b"\n", json.dumps(initialize()).encode(), b"x" * (LONGEST_BYTES + 1)],
    ids=["nothing", "an empty line", "half a line", "too much"],
)
def test_a_client_that_says_no_whole_line_is_left_to_the_sdk(said: bytes) -> None:
    read, written, answered = greet_with(said)
    assert (written, answered) == (b"", None)
    assert said.startswith(read)
