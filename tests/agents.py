"""An agent in memory or over HTTP, its server, and the API behind it on a real socket."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
import mcp_types
import uvicorn
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server

from createos_mcp.client.backend import Backend
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.server.offer import Offer, build_offer
from createos_mcp.server.server import build_server
from createos_mcp.workflows.registry import build_workflows
from createos_mcp.workflows.workspace import Workspace
from tests.apis import FakeApi, fake_api
from tests.eras import Era
from tests.eventually import until

Reply: TypeAlias = Callable[[mcp_types.ElicitRequestFormParams], mcp_types.ElicitResult]

CATALOG = load_catalog()
KEY = "skp_top_secret"
PATIENCE_S = 10


@dataclass(kw_only=True)
class Person:
    """Who answers the client's questions, and what was asked."""

    reply: Reply
    asked: list[mcp_types.ElicitRequestFormParams] = field(default_factory=list)

    async def answer(
        self, context: ClientRequestContext, params: mcp_types.ElicitRequestParams
    ) -> mcp_types.ElicitResult:
        del context
        assert isinstance(params, mcp_types.ElicitRequestFormParams)
        self.asked.append(params)
        return self.reply(params)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A client and the API that its calls reach."""

    client: Client
    api: FakeApi

    async def call(self, tool: str, **arguments: Json) -> mcp_types.CallToolResult:
        return await self.client.call_tool(tool, arguments)

    async def tools(self) -> dict[str, mcp_types.Tool]:
        return {tool.name: tool for tool in (await self.client.list_tools()).tools}


def text_of(result: mcp_types.CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, mcp_types.TextContent)
    return part.text


def data_of(result: mcp_types.CallToolResult) -> Json:
    """What the result holds, which its text and its structure agree about."""
    assert not result.is_error, text_of(result)
    assert json.loads(text_of(result)) == result.structured_content
    return result.structured_content


NOWHERE = Workspace(working_directory=Path("/"), home=Path("/"))
"""Nothing of this machine may be read."""


@asynccontextmanager
async def serving(
    *, workspace: Workspace = NOWHERE, **options: Json
) -> AsyncIterator[tuple[Offer, FakeApi]]:
    """An offer whose calls reach an API on a real socket."""
    catalog = load_catalog(local=bool(options.get("is_local")))
    options.setdefault("workflows", build_workflows(catalog, workspace))
    with fake_api() as api:
        target = ApiTarget(base_url=api.url, credentials=Credentials(api_key=KEY))

        async def locate() -> ApiTarget:
            return target

        async with Backend(locate, attempts=1) as backend:
            yield build_offer(catalog, backend, **options), api


@asynccontextmanager
async def agent(
    era: Era = "auto", *, person: Person | None = None, **options: Json
) -> AsyncIterator[Agent]:
    """An agent in memory, as over stdio; with a person it can ask, otherwise it goes on."""
    options.setdefault("unasked", "proceed")
    asking = person.answer if person else None
    async with (
        serving(**options) as (offer, api),
        Client(build_server(offer), mode=era, elicitation_callback=asking) as client,
    ):
        yield Agent(client=client, api=api)


@asynccontextmanager
async def remote_agent(
    era: Era = "auto",
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    person: Person | None = None,
    **options: Json,
) -> AsyncIterator[Agent]:
    """An agent over HTTP."""
    asking = person.answer if person else None
    async with (
        serving(**options) as (offer, api),
        listening(build_server(offer)) as address,
        httpx2.AsyncClient(headers=headers) as http,
        Client(
            streamable_http_client(f"{address}/mcp{query}", http_client=http),
            mode=era,
            elicitation_callback=asking,
        ) as client,
    ):
        yield Agent(client=client, api=api)


@asynccontextmanager
async def listening(server: Server[Any]) -> AsyncIterator[str]:
    """The server at an address on loopback."""
    config = uvicorn.Config(
        server.streamable_http_app(), port=0, log_level="error", timeout_graceful_shutdown=1
    )
    site = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.serve)
        await until(lambda: site.started)
        port = site.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            site.should_exit = True
