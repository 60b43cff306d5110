"""The command `tools`: the tools that a client of this server sees."""

import json
from collections.abc import Iterator

import anyio
import mcp_types
from mcp import Client

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.composition import open_offer
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.catalog import Catalog, load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.server.discovery import CALL, DESCRIBE, GROUP, SEARCH
from createos_mcp.server.server import build_server

_COLUMNS = ("GROUP", "TOOL", "EFFECT", "WHAT IT DOES")

_WORKFLOWS = "workflows"
"""Group of what is neither an operation nor a search."""


def list_tools_command(invocation: Invocation) -> int:
    """Show the tools, with what each of them does to the platform."""
    rows = sorted(
        _rows(anyio.run(_print_list, invocation)), key=lambda row: (row["group"], row["name"])
    )
    if invocation.given["json"]:
        say(json.dumps([{k: v for k, v in row.items() if k != "sentence"} for row in rows]))
    else:
        columns = ("group", "name", "effect", "sentence")
        cells = [tuple(row[column] for column in columns) for row in rows]
        write_table(_COLUMNS, cells, prose=_COLUMNS[-1])
    return 0


async def _print_list(invocation: Invocation) -> list[mcp_types.Tool]:
    async with open_offer(invocation) as offer, Client(build_server(offer)) as client:
        return (await client.list_tools()).tools


def _rows(tools: list[mcp_types.Tool]) -> Iterator[dict[str, Json]]:
    catalog = load_catalog(local=True)
    for tool in tools:
        yield {
            "group": _group_tools(catalog, tool.name).replace("_", " "),
            "name": tool.name,
            "title": tool.title,
            "effect": _effect(tool),
            "description": tool.description,
            "sentence": (tool.description or "").partition(". ")[0].removesuffix(".") + ".",
            "inputSchema": tool.input_schema,
        }


def _group_tools(catalog: Catalog, name: str) -> str:
    operation = catalog.find(name)
    if operation is not None:
        return operation.group
    return GROUP if name in {CALL.name, DESCRIBE.name, SEARCH.name} else _WORKFLOWS


def _effect(tool: mcp_types.Tool) -> str:
    """What a call does at most: reads, changes or destroys."""
    hints = tool.annotations
    if hints is not None and hints.read_only_hint:
        return "reads"
    return "changes" if hints is not None and hints.destructive_hint is False else "destroys"
