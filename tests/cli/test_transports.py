"""The same behavior, whichever way a client's messages reach the server."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent

from createos_mcp.client.backend import Backend
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.remote.composition import NOTHING_LOCAL
from createos_mcp.server.discovery import CALL, DESCRIBE, SEARCH
from createos_mcp.server.offer import build_offer
from createos_mcp.server.server import build_server
from createos_mcp.workflows.registry import build_workflows
from tests.apis import FakeApi, fake_api
from tests.cli.launches import agent
from tests.eras import Era, both_eras
from tests.remote.servers import ID, KEY, client_of, served

CATALOG = load_catalog()
WORKFLOWS = build_workflows(CATALOG, NOTHING_LOCAL)


@asynccontextmanager
async def in_memory(api: FakeApi, era: Era) -> AsyncIterator[Client]:
    target = ApiTarget(base_url=api.url, credentials=Credentials(api_key=KEY))

    async def locate() -> ApiTarget:
        return target

    async with (
        Backend(locate, attempts=1) as backend,
        Client(
            build_server(build_offer(CATALOG, backend, workflows=WORKFLOWS)), mode=era
        ) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(api: FakeApi, era: Era) -> AsyncIterator[Client]:
    async with agent(era, CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url) as client:
        yield client


@asynccontextmanager
async def over_http(api: FakeApi, era: Era) -> AsyncIterator[Client]:
    with served(api.url) as server:
        async with client_of(server, {"X-Api-Key": KEY}, era=era) as client:
            yield client


@asynccontextmanager
async def over_sse(api: FakeApi, era: Era) -> AsyncIterator[Client]:
    with served(api.url) as server:
        async with client_of(server, {"X-Api-Key": KEY}, wire="sse", era=era) as client:
            yield client


Connect = Callable[[FakeApi, Era], AbstractAsyncContextManager[Client]]

TRANSPORTS: Mapping[str, Connect] = {
    "memory": in_memory,
    "stdio": over_stdio,
    "http": over_http,
    "sse": over_sse,
}


@pytest.fixture(params=TRANSPORTS)
def connect(request: pytest.FixtureRequest) -> Connect:
    return TRANSPORTS[request.param]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as one:
        yield one


def text_of(result: Json) -> str:
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def listed_by_default() -> list[str]:
    operations = CATALOG.operations.values()
    listed = {o.name for o in operations if o.group not in CATALOG.on_request}
    return sorted({*listed, *CATALOG.workflows, SEARCH.name, DESCRIBE.name, CALL.name})


@both_eras
async def test_a_client_meets_the_same_server_on_every_transport(
    era: Era, connect: Connect, api: FakeApi
) -> None:
    async with connect(api, era) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == listed_by_default()
        assert (client.instructions or "").startswith(load_catalog().instructions)

        done = await client.call_tool("GetProject", {"project_id": ID})
        assert done.structured_content == {"id": "p1"}
        assert api.asked[-1].headers["x-api-key"] == KEY

        wrong = await client.call_tool("GetProject", {"projectid": 1, "other": 2})
        assert wrong.is_error
        assert "other" in text_of(wrong)

        api.status, api.answer = 404, {"status": "fail", "data": "no such project"}
        missing = await client.call_tool("GetProject", {"project_id": ID})
        assert missing.is_error
        assert "no such project" in text_of(missing)

        with pytest.raises(MCPError) as refusal:
            await client.call_tool("GetProjekt", {})
        assert refusal.value.error.code == INVALID_PARAMS
        assert "GetProject" in refusal.value.error.message
