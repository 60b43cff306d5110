"""The floor over HTTP: a bare server of the SDK whose one tool makes the request of GetProject."""

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types
import uvicorn
from floor_server import SCHEMA, TOOL, Context
from mcp.server import Server


def build() -> tuple[Server[Any], httpx2.AsyncClient]:
    """The server, and the client that it calls the API with."""
    base_url = os.environ["CREATEOS_API_URL"]
    client = httpx2.AsyncClient(
        limits=httpx2.Limits(max_connections=500, max_keepalive_connections=500)
    )

    async def list_tools(
        _context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=[TOOL])

    async def call_tool(
        context: Context, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        project_id = (params.arguments or {})["project_id"]
        headers = {"X-Api-Key": context.request.headers["x-api-key"]} if context.request else {}
        answer = await client.get(f"{base_url}/v1/projects/{project_id}", headers=headers)
        data = answer.json()["data"]
        text = mcp_types.TextContent(type="text", text=json.dumps(data))
        return mcp_types.CallToolResult(content=[text], structured_content=data)

    server: Server[Any] = Server(
        "floor",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda _name: SCHEMA,
    )
    return server, client


def main() -> None:
    """Serve on a free port of 127.0.0.1, told as createos-mcp tells it."""
    server, client = build()
    app = server.streamable_http_app()
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - of the SDK's app
        async with client, inner(app) as state:
            yield state

    app.router.lifespan_context = lifespan
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"floor serves http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])


if __name__ == "__main__":
    main()
