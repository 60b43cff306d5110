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
from createos_mcp.cli.composition import open_offer
from createos_mcp.cli.control_characters import clean_line
from createos_mcp.cli.terminal import (
    ask_user_later,
    can_ask,
    say,
    say_json,
    say_progress,
)
from createos_mcp.cli.tool_help import print_tool_help
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import ToolRefusedError
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.server.server import build_server

_Content: TypeAlias = dict[str, str | int | float | bool | list[str] | None]
"""A filled in form, by the names of its fields."""


def call(invocation: Invocation) -> int:
    """Call a tool and show its answer; 1 when that is an error.

    Raises:
        ArgumentTextError: An argument cannot be read.
        ToolRefusedError: There is no such tool, or the settings do not offer it.
    """
    name = _spelled(invocation.given["tool"])
    tool = next((tool for tool in load_catalog(local=True).tools if tool.name == name), None)
    if invocation.given["help"] and tool is not None:
        print_tool_help(tool)
        return 0
    arguments = read_cli_arguments(invocation.given["arguments"])
    result = anyio.run(_call, invocation, name, arguments)
    if isinstance(result, MCPError):
        raise ToolRefusedError(str(result)) from result
    if result.is_error:
        sys.stderr.write(f"{clean_line(result_text(result))}\n")
        return 1
    _print_text(result)
    return 0


def _spelled(name: str) -> str:
    """The name of the tool that is meant, whatever its case: `listprojects`."""
    known = {tool.name.lower(): tool.name for tool in load_catalog(local=True).tools}
    return known.get(name.lower(), name)


async def _call(
    invocation: Invocation, tool: str, arguments: Arguments
) -> mcp_types.CallToolResult | MCPError:
    asking = ask_person if can_ask() else None
    async with (
        open_offer(invocation) as offer,
        Client(build_server(offer), elicitation_callback=asking) as client,
    ):
        try:
            return await client.call_tool(tool, arguments, progress_callback=_show_progress)
        except MCPError as error:
            # Raised in here it would leave the client's task group as one of several.
            return error


async def _show_progress(
    progress: float,  # noqa: ARG001 - it is named by the SDK's protocol
    total: float | None,  # noqa: ARG001
    message: str | None,
) -> None:
    if message:
        say_progress(message)


async def ask_person(
    context: ClientRequestContext,  # noqa: ARG001 - it is named by the SDK's protocol
    params: mcp_types.ElicitRequestParams,
) -> mcp_types.ElicitResult:
    """Put the server's question to whoever called the command."""
    if not isinstance(params, mcp_types.ElicitRequestFormParams):
        return mcp_types.ElicitResult(action="cancel")
    say(params.message)
    content: _Content = {
        name: await _ask_field(field)
        for name, field in params.requested_schema["properties"].items()
    }
    return mcp_types.ElicitResult(action="accept", content=content)


async def _ask_field(field: Json) -> str | bool:
    title: str = field["title"]
    if field["type"] == "boolean":
        return (await ask_user_later(f"{title}? [y/N]")).lower() in {"y", "yes"}
    return await ask_user_later(title)


def _print_text(result: mcp_types.CallToolResult) -> None:
    """A log as its lines on a terminal; everything else, and all of it on a pipe, as JSON."""
    data = result.structured_content or {"message": result_text(result)}
    if sys.stdout.isatty() and isinstance(data.get("log"), str):
        say(data["log"] or result_text(result))
        return
    say_json(json.dumps(data, indent=2, ensure_ascii=False))


def result_text(result: mcp_types.CallToolResult) -> str:
    parts = (part.text for part in result.content if isinstance(part, mcp_types.TextContent))
    return "\n".join(parts)
