"""The floor: a bare server of the SDK whose one tool makes the request that GetProject makes."""

import json
import os
from typing import Any

import anyio
import httpx2
import mcp_types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

SCHEMA = {
    "type": "object",
    "properties": {"project_id": {"type": "string"}},
    "required": ["project_id"],
}

TOOL = mcp_types.Tool(name="GetProject", description="Read one project.", input_schema=SCHEMA)

Context = ServerRequestContext[Any, Any]


async def main() -> None:
    """Serve stdio until its end."""
    base_url = os.environ["CREATEOS_API_URL"]
    headers = {"X-Api-Key": os.environ["CREATEOS_API_KEY"]}

    async def list_tools(
        _context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=[TOOL])

    async def call_tool(
        _context: Context, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        project_id = (params.arguments or {})["project_id"]
        answer = await client.get(f"{base_url}/v1/projects/{project_id}")
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
    async with httpx2.AsyncClient(headers=headers) as client, stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
