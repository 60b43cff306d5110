"""The MCP server: the list of tools, and the way of one call through all steps."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, TypeAlias

import mcp_types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from createos_mcp.backend import Backend
from createos_mcp.binding import bind
from createos_mcp.catalog import Catalog
from createos_mcp.errors import CallError, InvalidArgumentsError
from createos_mcp.operations import Arguments, Json, Operation, Reference
from createos_mcp.references import References
from createos_mcp.repair import repair, unwrap
from createos_mcp.results import failure, success
from createos_mcp.validation import Validation

WEBSITE = "https://createos.nodeops.network"

LIST_TTL_MS = 300_000
DISCOVER_TTL_MS = 3_600_000

_FAULT = "This call met a fault in createos-mcp itself; its log on stderr has the details."

_logger = logging.getLogger(__name__)

Context: TypeAlias = ServerRequestContext[Any, Any]


def build_server(
    catalog: Catalog,
    backend: Backend,
    *,
    result_budget_bytes: int = 60_000,
    on_failure: Callable[[Exception], None] = lambda _error: None,
) -> Server[Any]:
    """Make a server of the catalogue's operations; it serves both protocol eras.

    Args:
        catalog: What the tools are.
        backend: Where calls go.
        result_budget_bytes: Limit for one result.
        on_failure: Told why a call failed, while the call is still under way.
    """
    desk = _Desk(catalog, backend, result_budget_bytes, on_failure)
    server: Server[Any] = Server(
        "createos-mcp",
        version=version("createos-mcp"),
        title="CreateOS",
        website_url=WEBSITE,
        instructions=catalog.instructions,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        get_tool_input_schema=desk.input_schema,
        cache_hints={
            "tools/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="public"),
            "server/discover": CacheHint(ttl_ms=DISCOVER_TTL_MS, scope="public"),
        },
    )
    server.middleware.append(_unwrap_arguments)
    return server


class _Desk:
    """Takes the requests of all sessions; it remembers nothing between them."""

    def __init__(
        self,
        catalog: Catalog,
        backend: Backend,
        result_budget_bytes: int,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._catalog = catalog
        self._backend = backend
        self._budget_bytes = result_budget_bytes
        self._on_failure = on_failure
        self._references = References(catalog)
        self._validation = Validation()
        tools = [_tool(operation) for operation in catalog.operations.values()]
        self._tools = mcp_types.ListToolsResult(tools=tools)

    async def list_tools(
        self, _context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return self._tools

    def input_schema(self, name: str) -> dict[str, Json] | None:
        operation = self._catalog.find(name)
        return dict(operation.input_schema) if operation else None

    async def call_tool(
        self, _context: Context, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        operation = self._catalog.find(params.name)
        if operation is None:
            raise MCPError(mcp_types.INVALID_PARAMS, self._unknown(params.name))
        try:
            data = await self._perform(operation, params.arguments or {})
            return success(operation, data, budget_bytes=self._budget_bytes)
        except CallError as error:
            self._on_failure(error)
            return failure(operation, error, self._references_of(operation))
        except Exception as error:
            self._on_failure(error)
            _logger.exception("%s failed unexpectedly", operation.name)
            return mcp_types.CallToolResult(
                content=[mcp_types.TextContent(type="text", text=_FAULT)], is_error=True
            )

    async def _perform(self, operation: Operation, given: Mapping[str, Json]) -> Json:
        arguments = repair(operation, given)
        problems = self._validation.check(operation, arguments)
        if problems:
            raise InvalidArgumentsError(problems)
        return await self._fetch(operation, await self._references.resolve(arguments, self._fetch))

    async def _fetch(self, operation: Operation, arguments: Arguments) -> Json:
        return await self._backend.send(bind(operation, arguments), operation.http)

    def _references_of(self, operation: Operation) -> Sequence[Reference]:
        named = operation.input_schema["properties"]
        return [r for r in self._catalog.references if set(r.arguments) & named.keys()]

    def _unknown(self, name: str) -> str:
        known = {tool.name.lower(): tool.name for tool in self._tools.tools}
        near = [known[match] for match in get_close_matches(name.lower(), known)]
        remedy = f"did you mean {' or '.join(near)}?" if near else "tools/list shows all tools"
        return f"There is no tool {name[:64]!r}; {remedy}"


def _tool(operation: Operation) -> mcp_types.Tool:
    hints = operation.annotations
    return mcp_types.Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=dict(operation.input_schema),
        output_schema=dict(operation.output_schema),
        annotations=mcp_types.ToolAnnotations(
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
    )


async def _unwrap_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Take arguments that came as one JSON text, which the SDK refuses before a tool sees them."""
    params = ctx.params
    if ctx.method == "tools/call" and params and isinstance(params.get("arguments"), str):
        arguments = unwrap(params["arguments"])
        ctx = replace(ctx, params={**params, "arguments": arguments})
    return await call_next(ctx)
