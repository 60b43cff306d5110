import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import mcp_types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from typing_extensions import override

from createos_mcp.client.backend import Backend
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.server.offer import build_offer
from createos_mcp.server.server import build_server
from createos_mcp.server.toolsets import Selection
from tests.apis import FakeApi, fake_api
from tests.eras import HELLO, Era, both_eras

CATALOG = load_catalog()
ID = "3f0c9a52-0000-4000-8000-000000000001"
KEY = "skp_top_secret"


@asynccontextmanager
async def connected(era: Era = "auto", *toolsets: str) -> AsyncIterator[tuple[Client, FakeApi]]:
    """A client of the server in memory, whose calls reach an API on a real socket."""
    selection = Selection(toolsets=frozenset(toolsets))
    with fake_api() as api:
        target = ApiTarget(base_url=api.url, credentials=Credentials(api_key=KEY))

        async def locate() -> ApiTarget:
            return target

        async with (
            Backend(locate, attempts=1) as backend,
            Client(
                build_server(build_offer(CATALOG, backend, selection=selection)), mode=era
            ) as client,
        ):
            yield client, api


def text_of(result: mcp_types.CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, mcp_types.TextContent)
    return part.text


@both_eras
async def test_every_tool_is_listed_once_with_schemas_title_and_hints(era: Era) -> None:
    async with connected(era, "all") as (client, _):
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == list(CATALOG.operations)
    for tool in tools:
        operation = CATALOG.operations[tool.name]
        assert tool.input_schema == operation.input_schema
        assert tool.output_schema == operation.output_schema
        assert tool.title == operation.title
        assert tool.annotations is not None
        hints = tool.annotations.model_dump()
        assert hints["read_only_hint"] is operation.annotations.read_only
        assert hints["destructive_hint"] is operation.annotations.destructive
        assert hints["idempotent_hint"] is operation.annotations.idempotent
        assert hints["open_world_hint"] is operation.annotations.open_world


@both_eras
async def test_instructions_name_every_family_and_the_usual_order(era: Era) -> None:
    async with connected(era) as (client, _):
        instructions = client.instructions or ""
    for words in ("CreateProject", "UploadDeploymentFiles", "GetDeployment", "latest"):
        assert words in instructions
    for group in {operation.group for operation in CATALOG.operations.values()}:
        assert FAMILIES.get(group, group) in instructions


FAMILIES = {
    "transfers": "project transfers",
    "github": "GitHub",
    "security": "security scans",
    "api_keys": "API keys",
    "cronjobs": "cron jobs",
}
"""How the instructions call the groups whose names are no words."""


@both_eras
async def test_a_call_reaches_the_api_and_its_data_comes_back_as_text_and_structure(
    era: Era,
) -> None:
    async with connected(era) as (client, api):
        result = await client.call_tool("GetProject", {"project_id": ID})
    assert not result.is_error
    assert result.structured_content == {"id": "p1"}
    assert json.loads(text_of(result)) == {"id": "p1"}
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("GET", f"/v1/projects/{ID}")
    assert asked.headers["x-api-key"] == KEY


@both_eras
async def test_a_malformed_call_is_understood(era: Era) -> None:
    async with connected(era) as (client, api):
        body = json.dumps({"port": "8080"})
        await client.call_tool("UpdateProjectSettings", {"projectId": ID, "body": body})
    (asked,) = api.asked
    assert asked.body == {"port": 8080}


@both_eras
async def test_bad_arguments_are_all_reported_and_nothing_is_sent(era: Era) -> None:
    async with connected(era) as (client, api):
        result = await client.call_tool("CreateProject", {"type": "uplod", "nme": "x"})
    assert result.is_error
    for word in ("uniqueName", "displayName", "settings", "'upload'", "nme"):
        assert word in text_of(result)
    assert api.asked == []


@both_eras
async def test_a_failure_of_the_api_says_what_failed_why_and_what_to_do(era: Era) -> None:
    async with connected(era) as (client, api):
        api.status, api.answer = 404, {"status": "fail", "data": "no such project"}
        result = await client.call_tool("GetProject", {"project_id": ID})
    assert result.is_error
    text = text_of(result)
    for word in ("GetProject failed", "404", "no such project", "ListProjects"):
        assert word in text


@both_eras
async def test_a_name_is_looked_up_before_the_call(era: Era) -> None:
    async with connected(era) as (client, api):
        page = [{"id": ID, "uniqueName": "my-app"}]
        api.answer = {"status": "success", "data": {"data": page, "pagination": {"total": 1}}}
        await client.call_tool("GetProject", {"project_id": "my-app"})
    assert [(asked.method, asked.path.partition("?")[0]) for asked in api.asked] == [
        ("GET", "/v1/projects"),
        ("GET", f"/v1/projects/{ID}"),
    ]


@both_eras
async def test_an_alias_calls_the_same_operation(era: Era) -> None:
    alias = "GetProjectEnvironmentAnalyticsRequestDistribution"
    arguments = {"project_id": ID, "environment_id": ID, "start": 1, "end": 2}
    async with connected(era) as (client, api):
        await client.call_tool(alias, arguments)
    assert len(api.asked) == 1


@both_eras
async def test_an_unknown_tool_is_a_protocol_error_that_names_the_nearest(era: Era) -> None:
    async with connected(era) as (client, _):
        with pytest.raises(MCPError, match="CreateProject") as refusal:
            await client.call_tool("createproject", {})
        assert refusal.value.error.code == mcp_types.INVALID_PARAMS
        with pytest.raises(MCPError, match="tools/list"):
            await client.call_tool("zzz", {})


@both_eras
async def test_a_fault_of_ours_leaks_nothing_and_is_logged(
    era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    async def locate() -> ApiTarget:
        raise RuntimeError(f"the key is {KEY}")

    async with (
        Backend(locate, attempts=1) as backend,
        Client(build_server(build_offer(CATALOG, backend)), mode=era) as client,
    ):
        with caplog.at_level(logging.ERROR):
            result = await client.call_tool("GetProject", {"project_id": ID})
    assert result.is_error
    assert "Internal error in createos-mcp" in text_of(result)
    assert KEY not in text_of(result)
    assert "GetProject failed unexpectedly" in caplog.text


async def test_arguments_that_came_as_one_text_are_understood_by_the_wire() -> None:
    with fake_api() as api:
        target = ApiTarget(base_url=api.url, credentials=Credentials(api_key=KEY))

        async def locate() -> ApiTarget:
            return target

        async with Backend(locate) as backend:
            answers = await converse(
                build_server(build_offer(CATALOG, backend)),
                {"name": "GetProject", "arguments": json.dumps({"project_id": ID})},
                {"name": "GetProject", "arguments": "no JSON"},
                {"name": "GetProject"},
            )
    assert answers[0]["result"]["structuredContent"] == {"id": "p1"}
    assert "error" in answers[1]
    assert "project_id" in answers[2]["result"]["content"][0]["text"]


async def converse(server: Json, *calls: Json) -> list[Json]:
    """Send calls as they are, past what a client would put right."""
    answers: list[Json] = []
    async with (
        create_client_server_memory_streams() as ((reading, writing), (down, up)),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.run, down, up, server.create_initialization_options())

        async def ask(number: int, method: str, params: Json) -> Json:
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            await writing.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))
            answer = await reading.receive()
            assert isinstance(answer, SessionMessage)
            return answer.message.model_dump(by_alias=True, exclude_none=True)

        await ask(0, "initialize", HELLO)
        answers += [
            await ask(number, "tools/call", call) for number, call in enumerate(calls, start=1)
        ]
        tasks.cancel_scope.cancel()
    return answers


async def test_a_cancelled_call_closes_its_request() -> None:
    opened, closed = anyio.Event(), anyio.Event()

    class Silent(httpx2.AsyncBaseTransport):
        @override
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            opened.set()
            try:
                await anyio.sleep_forever()
            finally:
                closed.set()
            raise AssertionError

    async def locate() -> ApiTarget:
        return ApiTarget(base_url="https://api.test", credentials=Credentials(api_key=KEY))

    async with (
        Backend(locate, transport=Silent()) as backend,
        Client(build_server(build_offer(CATALOG, backend))) as client,
    ):
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "GetProject", {"project_id": ID})
                await opened.wait()
                tasks.cancel_scope.cancel()
            await closed.wait()
