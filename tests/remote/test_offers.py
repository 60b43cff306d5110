"""What a caller over HTTP is offered, and what is asked before a deletion."""

import httpx2
import mcp_types
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.apis import FakeApi, fake_api
from tests.eras import Era, both_eras
from tests.remote.servers import ID, KEY, PATIENCE_S, client_of, served

PROJECT = {"id": ID, "uniqueName": "my-app", "displayName": "My app"}


def with_project(api: FakeApi) -> None:
    api.answer = {"status": "success", "data": []}
    api.data[f"/v1/projects/{ID}"] = PROJECT


async def names_for(headers: dict[str, str], *flags: str) -> set[str]:
    with fake_api() as api, served(api.url, *flags) as server:
        async with client_of(server, {"X-Api-Key": KEY, **headers}) as client:
            return {tool.name for tool in (await client.list_tools()).tools}


async def test_a_caller_narrows_its_list_by_header() -> None:
    names = await names_for({"X-MCP-Tools": "GetProject, DeleteProject", "X-MCP-Readonly": "true"})
    assert "GetProject" in names
    assert "DeleteProject" not in names
    assert "ListProjects" not in names


async def test_a_caller_gets_no_more_than_the_operator_offers() -> None:
    names = await names_for({"X-MCP-Toolsets": "all"}, "--tools", "GetProject", "--read-only")
    assert names == {"GetProject"}


@both_eras
async def test_a_deletion_is_refused_when_the_client_cannot_ask(era: Era) -> None:
    with fake_api() as api, served(api.url) as server:
        with_project(api)
        async with client_of(server, {"X-Api-Key": KEY}, era=era) as client:
            refused = await client.call_tool("DeleteProject", {"project_id": ID})
        assert refused.is_error
        assert api.sent("DELETE") == []
        assert server.calls()[-1]["status"] == "unconfirmed"


@both_eras
async def test_a_person_allows_a_deletion_through_the_client(era: Era) -> None:
    asked: list[str] = []

    async def agree(
        context: ClientRequestContext, params: mcp_types.ElicitRequestParams
    ) -> mcp_types.ElicitResult:
        del context
        asked.append(params.message)
        return mcp_types.ElicitResult(action="accept", content={"name": "my-app"})

    with fake_api() as api, served(api.url) as server:
        with_project(api)
        async with (
            httpx2.AsyncClient(headers={"X-Api-Key": KEY}, timeout=PATIENCE_S) as carrier,
            Client(
                streamable_http_client(f"{server.url}/mcp", http_client=carrier),
                mode=era,
                elicitation_callback=agree,
            ) as client,
        ):
            done = await client.call_tool("DeleteProject", {"project_id": ID})
        assert not done.is_error, done
        assert ["my-app" in question for question in asked] == [True]
        assert api.sent("DELETE") == [f"/v1/projects/{ID}"]


async def test_a_tool_that_is_not_offered_is_named_with_its_toolset() -> None:
    with fake_api() as api, served(api.url, "--toolsets", "domains") as server:
        async with client_of(server, {"X-Api-Key": KEY}) as client:
            with pytest.raises(MCPError, match="it is in the toolset 'projects'"):
                await client.call_tool("GetProject", {"project_id": ID})
        assert server.calls()[-1]["status"] == "protocol_error"
