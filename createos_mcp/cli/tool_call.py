"""The command `call`: one call by hand, the same way that a client's calls go."""

import json
import sys
from typing import TypeAlias

import anyio
import mcp_types
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError

from createos_mcp.cli.cli_arguments import read_cli_arguments
from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.stdio import open_server
from createos_mcp.cli.terminal import ask_user, can_ask, say, say_json
from createos_mcp.contract.errors import ToolRefusedError
from createos_mcp.contract.operations import Arguments, Json

_Content: TypeAlias = dict[str, str | int | float | bool | list[str] | None]
"""A filled in form, by the names of its fields."""


def call(invocation: Invocation) -> int:
    """Call a tool and show its answer; 1 when that is an error.

    Raises:
        ArgumentTextError: An argument cannot be read.
        ToolRefusedError: There is no such tool, or the settings do not offer it.
    """
    arguments = read_cli_arguments(invocation.given["arguments"])
    result = anyio.run(_call, invocation, invocation.given["tool"], arguments)
    if isinstance(result, MCPError):
        raise ToolRefusedError(str(result)) from result
    if result.is_error:
        sys.stderr.write(f"{_result_text(result)}\n")
        return 1
    _print_text(result)
    return 0


async def _call(
    invocation: Invocation, tool: str, arguments: Arguments
) -> mcp_types.CallToolResult | MCPError:
    asking = _ask_person if can_ask() else None
    async with (
        open_server(invocation) as server,
        Client(server, elicitation_callback=asking) as client,
    ):
        try:
            return await client.call_tool(tool, arguments)
        except MCPError as error:
            # Raised in here it would leave the client's task group as one of several.
            return error


async def _ask_person(
    context: ClientRequestContext,  # noqa: ARG001 - it is named by the SDK's protocol
    params: mcp_types.ElicitRequestParams,
) -> mcp_types.ElicitResult:
    """Put the server's question to whoever called the command."""
    if not isinstance(params, mcp_types.ElicitRequestFormParams):
        return mcp_types.ElicitResult(action="cancel")
    say(params.message)
    content: _Content = {
        name: _print_result(field) for name, field in params.requested_schema["properties"].items()
    }
    return mcp_types.ElicitResult(action="accept", content=content)


def _print_result(field: Json) -> str | bool:
    title: str = field["title"]
    if field["type"] == "boolean":
        return ask_user(f"{title}? [y/N]").lower() in {"y", "yes"}
    return ask_user(title)


def _print_text(result: mcp_types.CallToolResult) -> None:
    """A log as its lines on a terminal; everything else, and all of it on a pipe, as JSON."""
    data = result.structured_content or {"message": _result_text(result)}
    if sys.stdout.isatty() and isinstance(data.get("log"), str):
        say(data["log"] or _result_text(result))
        return
    say_json(json.dumps(data, indent=2, ensure_ascii=False))


def _result_text(result: mcp_types.CallToolResult) -> str:
    parts = (part.text for part in result.content if isinstance(part, mcp_types.TextContent))
    return "\n".join(parts)
