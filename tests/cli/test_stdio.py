import json
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.server.lists import LISTS
from createos_mcp.server.stdio_transport import MAX_LINE_BYTES
from tests.apis import FakeApi, fake_api
from tests.cli.launches import COMMAND, agent, launched
from tests.eras import HELLO, Era, both_eras
from tests.plain_cases import ERAS

ID = "3f0c9a52-0000-4000-8000-000000000001"
KEY = "skp_top_secret"


def ask(server: subprocess.Popen[str], number: int, method: str, params: Json) -> Json:
    assert server.stdin is not None
    assert server.stdout is not None
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    server.stdin.write(json.dumps(message) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@both_eras
async def test_an_agent_lists_every_tool_and_calls_one(era: Era) -> None:
    with fake_api() as api:
        given = {"CREATEOS_API_KEY": KEY, "CREATEOS_API_URL": api.url, "CREATEOS_TOOLSETS": "all"}
        async with agent(era, **given) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("GetProject", {"project_id": ID})
    assert [tool.name for tool in tools] == sorted(tool.name for tool in load_catalog().tools)
    assert result.structured_content == {"id": "p1"}
    (asked,) = api.asked
    assert asked.headers["x-api-key"] == KEY


def test_flags_choose_the_tools() -> None:
    flags = ("--read-only", "--project", "my-app", "--toolsets", "domains")
    with launched(*flags) as server:
        ask(server, 1, "initialize", HELLO)
        (tool,) = ask(server, 2, "tools/list", {})["result"]["tools"]
    assert tool["name"] == "ListDomains"
    assert tool["inputSchema"]["properties"] == {}


def test_a_toolset_that_is_not_there_ends_the_start_with_a_sentence() -> None:
    with launched("--toolsets", "projcets") as server:
        _, log = server.communicate(timeout=10)
    assert server.returncode == 2
    assert log == (
        "createos-mcp: CREATEOS_TOOLSETS (--toolsets): there is no 'projcets'; "
        "did you mean projects?\n"
    )


def test_at_the_finest_log_level_no_value_of_a_variable_is_written() -> None:
    with fake_api() as api:
        api.answer = {"status": "success", "data": {"settings": {"runEnvs": {"A": "canary-read"}}}}
        with launched(
            "--log-level", "debug", CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url
        ) as server:
            ask(server, 1, "initialize", HELLO)
            given = {"project_id": ID, "runEnvs": {"A": "canary-given"}}
            call = {"name": "UpdateProjectSettings", "arguments": given}
            answers = [ask(server, 2, "tools/call", call)]
            call = {"name": "GetProject", "arguments": {"project_id": ID}}
            answers.append(ask(server, 3, "tools/call", call))
            _, log = server.communicate(timeout=10)
    assert log
    assert "canary" not in log + json.dumps(answers)


@both_eras
async def test_an_access_token_is_sent_as_one(era: Era) -> None:
    with fake_api() as api:
        async with agent(era, CREATEOS_ACCESS_TOKEN=KEY, CREATEOS_API_URL=api.url) as client:
            await client.call_tool("GetProject", {"project_id": ID})
    (asked,) = api.asked
    assert asked.headers["x-access-token"] == KEY
    assert "x-api-key" not in asked.headers


@both_eras
async def test_it_serves_with_no_key_and_starts_no_platform_to_list_tools(
    era: Era, tmp_path: Path
) -> None:
    async with agent(era, CREATEOS_DATA_DIR=str(tmp_path / "data")) as client:
        assert (await client.list_tools()).tools
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_while_stdin_stays_open(number: signal.Signals) -> None:
    with launched() as server:
        assert ask(server, 1, "initialize", HELLO)["result"]
        sent = time.monotonic()
        server.send_signal(number)
        assert server.wait(timeout=10) == 128 + number
        assert time.monotonic() - sent < 2
        assert server.stderr is not None
        assert server.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_so_it_does_before_the_client_has_said_anything(number: signal.Signals) -> None:
    with launched() as server:
        wait_until_it_waits(server)
        server.send_signal(number)
        assert server.wait(timeout=10) == 128 + number
        assert server.stderr is not None
        assert server.stderr.read() == ""


def wait_until_it_waits(server: subprocess.Popen[str]) -> None:
    """Until everything is imported, and the process uses no processor any more."""
    process = psutil.Process(server.pid)
    used, before = process.cpu_times().user, -1.0
    while used != before:
        time.sleep(0.5)
        used, before = process.cpu_times().user, used


def test_a_client_that_waits_before_it_speaks_is_served_as_others() -> None:
    with launched() as server:
        wait_until_it_waits(server)
        assert ask(server, 1, "initialize", HELLO)["id"] == 1
        assert ask(server, 2, "tools/list", {})["id"] == 2


def test_what_follows_the_greeting_in_the_same_piece_is_answered_and_the_greeting_once() -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    with launched() as server:
        said = f"{json.dumps(hello)}\n{json.dumps(ping)}\n"
        answers, log = server.communicate(said, timeout=60)
    assert [json.loads(line)["id"] for line in answers.splitlines()] == [1, 2]
    assert (server.returncode, log) == (0, "")


def notify(server: subprocess.Popen[str], method: str) -> None:
    assert server.stdin is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method}) + "\n")


SDK_IMPORT = re.compile(r"\| +mcp(_types)?$", re.MULTILINE)
"""As Python tells each module that it imports."""


def reporting_imports(api: FakeApi) -> AbstractContextManager[subprocess.Popen[str]]:
    return launched(PYTHONPROFILEIMPORTTIME="1", CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url)


def greeted(server: subprocess.Popen[str], envelope: Mapping[str, Json]) -> None:
    if envelope:
        assert ask(server, 1, "server/discover", envelope)["result"]
    else:
        assert ask(server, 1, "initialize", HELLO)["result"]
        notify(server, "notifications/initialized")


@pytest.mark.parametrize("envelope", ERAS.values(), ids=ERAS)
def test_lists_and_plain_calls_are_answered_without_the_sdk(envelope: Mapping[str, Json]) -> None:
    with fake_api() as api, reporting_imports(api) as server:
        greeted(server, envelope)
        for number, method in enumerate(LISTS, start=2):
            assert ask(server, number, method, envelope)["result"]
        call = {"name": "GetProject", "arguments": {"project_id": ID}, **envelope}
        assert ask(server, 7, "tools/call", call)["result"]["structuredContent"] == {"id": "p1"}
        _, log = server.communicate(timeout=10)
    assert "anyio" in log
    assert not SDK_IMPORT.search(log)


@pytest.mark.parametrize("envelope", ERAS.values(), ids=ERAS)
def test_all_else_is_answered_with_it_in_the_same_session(envelope: Mapping[str, Json]) -> None:
    with fake_api() as api, reporting_imports(api) as server:
        greeted(server, envelope)
        call = {"name": "GetProject", "arguments": {"project_id": ID}, **envelope}
        prompt = {"name": "roll-back", "arguments": {"project_id": "my-app"}, **envelope}
        assert ask(server, 2, "tools/call", call)["result"]["structuredContent"]
        assert ask(server, 3, "prompts/get", prompt)["result"]["messages"]
        assert ask(server, 4, "tools/call", call)["result"]["structuredContent"]
        notify(server, "notifications/initialized")
        assert ask(server, 5, "prompts/get", prompt)["result"]["messages"]
        _, log = server.communicate(timeout=10)
    assert SDK_IMPORT.search(log)


def test_the_end_of_stdin_ends_it_with_0() -> None:
    with launched() as server:
        assert ask(server, 1, "initialize", HELLO)["result"]
        rest, log = server.communicate(timeout=10)
    assert (server.returncode, rest, log) == (0, "", "")


def test_stdout_carries_messages_alone_and_the_log_no_key() -> None:
    with fake_api() as api:
        api.status, api.answer = 401, {"status": "fail", "data": f"bad key {KEY}"}
        with launched(
            "--log-level", "debug", CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url
        ) as server:
            ask(server, 1, "initialize", HELLO)
            call = {"name": "GetProject", "arguments": {"project_id": ID}}
            answer = ask(server, 2, "tools/call", call)
            rest, log = server.communicate(timeout=10)
    assert answer["id"] == 2
    assert answer["result"]["isError"]
    assert "CREATEOS_API_KEY" in answer["result"]["content"][0]["text"]
    assert rest == ""
    assert log
    assert KEY not in log


def say(server: subprocess.Popen[str], line: str) -> Json:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(line + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


def test_lines_that_are_no_messages_are_answered_and_do_not_end_the_session() -> None:
    with launched() as server:
        ask(server, 1, "initialize", HELLO)
        for line in ("no JSON", '{"jsonrpc": "2.0"}', "[]", '"x"'):
            answer = say(server, line)
            assert answer["id"] is None
            assert answer["error"]["code"] in {-32700, -32600}
        assert ask(server, 2, "ping", {})["id"] == 2


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","id":7,"method":123}',
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"oops"}',
        '[{"jsonrpc":"2.0","id":7,"method":"ping"}]',
        '{"jsonrpc":"2.0","id":7,"method":"ping","params":' + '{"a":' * 3000 + "1" + "}" * 3001,
        '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":NaN}}',
        '{"jsonrpc":"2.0","id":7,"method":"ping",',
        '{"id":7,"method":"ping"}',
    ],
    ids=["method", "params", "batch", "depth", "NaN", "cut", "version"],
)
def test_a_request_that_cannot_be_served_is_refused_by_its_id(line: str) -> None:
    with launched() as server:
        ask(server, 1, "initialize", HELLO)
        answer = say(server, line)
        assert answer["id"] == 7
        assert answer["error"]["code"] in {-32700, -32600}
        assert ask(server, 2, "ping", {})["id"] == 2


def test_half_of_a_character_is_read_as_the_mark_for_it() -> None:
    with fake_api() as api, launched(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url) as server:
        ask(server, 1, "initialize", HELLO)
        arguments = {"project_id": ID, "runEnvs": {"A": "x\ud83d"}}
        call = {"name": "UpdateProjectSettings", "arguments": arguments}
        answer = ask(server, 2, "tools/call", call)
    assert not answer["result"].get("isError")
    assert api.asked[-1].body["runEnvs"] == {"A": "x\ufffd"}


def test_an_overlong_line_is_refused_by_its_id_and_not_kept() -> None:
    padding = "x" * (MAX_LINE_BYTES + 10)
    with launched() as server:
        ask(server, 1, "initialize", HELLO)
        first = {"jsonrpc": "2.0", "id": "first", "method": "ping", "params": {"a": padding}}
        last = {"jsonrpc": "2.0", "method": "ping", "params": {"a": padding}, "id": 9}
        for message in (first, last):
            answer = say(server, json.dumps(message))
            assert answer["id"] == message["id"]
            assert str(MAX_LINE_BYTES) in answer["error"]["message"]
        peak = psutil.Process(server.pid).memory_info().rss
        assert ask(server, 2, "ping", {})["id"] == 2
    assert peak < 6 * MAX_LINE_BYTES


def test_a_client_that_reads_late_gets_every_answer_in_order() -> None:
    with launched() as server:
        ask(server, 1, "initialize", HELLO)
        assert server.stdin is not None
        assert server.stdout is not None
        for number in range(2, 42):
            body = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {}}
            server.stdin.write(json.dumps(body) + "\n")
        server.stdin.flush()
        time.sleep(1)
        ids = {json.loads(server.stdout.readline())["id"] for _ in range(40)}
    assert ids == set(range(2, 42))


def test_messages_from_a_file_are_answered(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    file.write_text(json.dumps(hello))
    with file.open() as stdin:
        done = subprocess.run(
            COMMAND, stdin=stdin, capture_output=True, text=True, timeout=60, check=True
        )
    assert json.loads(done.stdout)["id"] == 1


def test_a_call_under_way_at_the_end_of_stdin_is_told_so() -> None:
    """On the fast path as on the SDK's."""
    with (
        fake_api() as api,
        api.paused(),
        launched(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        client = {"name": "test", "version": "1"}
        version = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": version}
        server.stdin.write(json.dumps(first) + "\n")
        server.stdin.flush()
        server.stdout.readline()
        asked = {"name": "GetProject", "arguments": {"project_id": ID}}
        for message in (
            {"method": "notifications/initialized"},
            {"id": 2, "method": "tools/call", "params": asked},
        ):
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()
        while not api.asked:
            time.sleep(0.01)
        server.stdin.close()
        answer = json.loads(server.stdout.readline())
    assert (answer["id"], answer["error"]["message"]) == (2, "Connection closed")
