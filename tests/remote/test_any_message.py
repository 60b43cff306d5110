"""Any message over stdio and HTTP: who has an id is answered, and the server goes on."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from createos_mcp.contract.values import Json
from tests.apis import fake_api
from tests.cli.launches import launched
from tests.eras import HELLO
from tests.fuzzing import drawn
from tests.remote.servers import ACCEPT, KEY, MODERN, Served, carrier, served

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
METHODS = st.sampled_from(
    [
        *("ping", "tools/list", "tools/call", "resources/read", "prompts/get", "server/discover"),
        *("completion/complete", "resources/list", "logging/setLevel", "tasks/get", "nothing"),
        "resources/templates/list",
    ]
)
PARAMS = st.dictionaries(
    st.sampled_from(["name", "arguments", "uri", "_meta", "cursor", "ref", "argument", "taskId"]),
    VALUES | st.sampled_from(["SearchTools", "DescribeTool", "CallTool", {"query": "x"}]),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2]),
        "id": st.integers(0, 10**6) | st.text(max_size=8) | VALUES,
        "method": METHODS | METHODS | VALUES,
        "params": PARAMS | PARAMS | VALUES,
    },
)
"""Half-way proper, so that something behind the parser has to answer, too."""

TEXTS = st.one_of(
    MESSAGES.map(json.dumps),
    MESSAGES.map(lambda message: json.dumps(message)[:-1]),
    st.lists(MESSAGES, max_size=3).map(json.dumps),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40),
)
SENTINEL = "sentinel"


def awaits_answer(text: str) -> bool:
    """Whether a line is a request with an id that an answer can carry."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    named = value.get("id") if isinstance(value, dict) else None
    is_id = isinstance(named, str | int) and not isinstance(named, bool)
    return is_id and "method" in value and named != SENTINEL


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with fake_api() as api, launched(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url) as one:
        exchange(
            one, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        )
        yield one


def exchange(process: subprocess.Popen[str], text: str) -> list[Json]:
    """Everything that is answered up to the answer to a question that follows."""
    assert process.stdin is not None
    assert process.stdout is not None
    ping = {"jsonrpc": "2.0", "id": SENTINEL, "method": "ping"}
    process.stdin.write(f"{text}\n{json.dumps(ping)}\n")
    process.stdin.flush()
    answers: list[Any] = []
    awaited = awaits_answer(text)
    while True:
        answers.append(json.loads(process.stdout.readline()))
        has_pinged = any(answer.get("id") == SENTINEL for answer in answers)
        others = [answer for answer in answers if answer.get("id") != SENTINEL and "id" in answer]
        if has_pinged and (others or not awaited):
            return answers


@drawn()
@given(text=TEXTS)
def test_over_stdio_every_request_with_an_id_is_answered(
    text: str, process: subprocess.Popen[str]
) -> None:
    answers = exchange(process, text)
    if awaits_answer(text):
        wanted = json.loads(text)["id"]
        mended = json.loads(json.dumps(wanted).encode("utf-8", "replace"))
        ids = [answer["id"] for answer in answers if "id" in answer]
        assert wanted in ids or isinstance(mended, str), (text, answers)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    limits = ("--serve-calls-per-minute", "1000000")
    with fake_api() as api, served(api.url, *limits) as one:
        yield one


@drawn()
@given(text=TEXTS, is_modern=st.booleans())
def test_over_http_every_request_with_an_id_is_answered(
    text: str, server: Served, *, is_modern: bool
) -> None:
    sent = {**ACCEPT, "Accept": "application/json", "Content-Type": "application/json"}
    era = {"MCP-Protocol-Version": MODERN} if is_modern else {}
    content = text.encode(errors="replace")
    headers = {**sent, **era, "X-Api-Key": KEY}
    answer = carrier.post(f"{server.url}/mcp", content=content, headers=headers)
    assert answer.status_code < 500 or answer.json()["error"]["code"] == -32603
    if awaits_answer(text):
        told = answer.json()
        assert ("error" in told) or ("result" in told), (text, told)
        assert told["id"] == json.loads(text)["id"] or isinstance(told["id"], str | None)
