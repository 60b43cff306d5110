import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from tests.apis import fake_api
from tests.cli.launches import agent, launched
from tests.eras import HELLO, Era, both_eras

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


def test_a_line_that_is_no_message_does_not_end_the_session() -> None:
    with launched() as server:
        assert server.stdin is not None
        ask(server, 1, "initialize", HELLO)
        server.stdin.write('no JSON\n{"jsonrpc": "2.0"}\n[]\n"x"\n')
        assert ask(server, 2, "ping", {})["id"] == 2
