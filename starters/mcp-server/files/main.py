import os
from datetime import UTC, datetime

import uvicorn
from mcp.server import MCPServer

server = MCPServer("starter")


@server.tool()
def add(left: float, right: float) -> float:
    """Add two numbers."""
    return left + right


@server.tool()
def now() -> str:
    """The present moment, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@server.resource("notes://welcome")
def welcome() -> str:
    """What this server is."""
    return "A starter: replace its tools with your own."


port = int(os.environ.get("PORT", "8000"))
uvicorn.run(server.streamable_http_app(host="0.0.0.0"), host="0.0.0.0", port=port)
