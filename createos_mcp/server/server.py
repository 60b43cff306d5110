"""The MCP server: the list of tools that a caller sees, and the calls that it makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import mcp_types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.apps import EXTENSION_ID, client_supports_apps
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from starlette.requests import Request

from createos_mcp.answers.results import success_result
from createos_mcp.answers.sanitizing import sanitize
from createos_mcp.calls.confirmation import ClientRequest, Confirmations, fingerprint, sealing
from createos_mcp.calls.pipeline import Answer, ToolPipeline, Workflow
from createos_mcp.calls.repair import unwrap
from createos_mcp.client.backend import Backend
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.errors import CallError, SelectionError
from createos_mcp.contract.once_marks import OnceMarks
from createos_mcp.contract.operations import Operation, Tool
from createos_mcp.contract.values import Json
from createos_mcp.server.card_resources import card_meta
from createos_mcp.server.completions import Completions
from createos_mcp.server.discovery import (
    CALL,
    DESCRIBE,
    SEARCH,
    describe_tool,
    discovery_tools,
    find_tools,
)
from createos_mcp.server.icons import PLATFORM
from createos_mcp.server.kept_lists import KeptLists
from createos_mcp.server.plain_calls import PlainCalls
from createos_mcp.server.prompts import Prompts
from createos_mcp.server.reading import ReadResult
from createos_mcp.server.resources import Resources
from createos_mcp.server.search import ToolIndex
from createos_mcp.server.subscriptions import Subscriptions, watching
from createos_mcp.server.tasks import TaskExtension
from createos_mcp.server.toolsets import (
    HEADER_PREFIX,
    HEADERS,
    QUERY,
    SETTINGS,
    Choice,
    Selection,
    Toolsets,
    read_selection,
)
from createos_mcp.settings.settings import ConfirmFallback

WEBSITE = "https://createos.nodeops.network"

# Lists change only with a new version or new settings:
# `ttlMs` is SEP-2549.
LIST_TTL_MS = 300_000
DISCOVER_TTL_MS = 3_600_000

Context: TypeAlias = ServerRequestContext[Any, Any]


def build_server(
    catalog: Catalog,
    backend: Backend,
    *,
    workflows: Sequence[Workflow] = (),
    selection: Selection | None = None,
    unasked: ConfirmFallback | None = None,
    codes: ConfirmationCodes | None = None,
    key_directory: Path | None = None,
    state_keys: Sequence[str | bytes] = (),
    principal: Callable[[Context], str | None] = fingerprint,
    result_budget_bytes: int = 60_000,
    is_alone: bool = True,
    once: OnceMarks | None = None,
    is_local: bool = False,
    on_failure: Callable[[Exception], None] = lambda _error: None,
) -> "CreateosServer":
    """Make a server of the catalog's operations; it serves both protocol eras.

    Args:
        catalog: What the operations are.
        backend: Where calls go.
        workflows: Further tools.
        selection: What the operator offers; a caller over HTTP may ask for less.
        unasked: What becomes of calls that a person should allow when nobody can be asked.
        codes: Where such calls wait for a person, who allows them in a terminal.
        key_directory: Where secrets that a local caller makes are kept; by default in the user's
            data directory.
        state_keys: Seal what clients carry between a question and its answer; the same in every
            process that serves the same clients. Without any, a key of this process.
        principal: Tells whose what is sealed is; nobody else may bring it back.
        result_budget_bytes: Limit for one result.
        is_local: Whether the platform is this machine; models are told.
        is_alone: Whether no other process serves the same clients; only then are there tasks.
        once: Tells which answers of users were taken; by default this process alone knows.
        on_failure: Told why a call failed, while the call is still under way.

    Raises:
        SelectionError: The operator offers what does not exist.
    """
    calls = ToolPipeline(
        catalog,
        backend,
        confirmations=Confirmations(unasked, codes, once),
        key_directory=key_directory,
        result_budget_bytes=result_budget_bytes,
        is_local=is_local,
        on_failure=on_failure,
    )
    desk = _RequestHandlers(calls, workflows, selection or Selection(), result_budget_bytes)
    logs = frozenset(name for name, tool in catalog.operations.items() if tool.answer == "log")
    resources = Resources(catalog.resources, logs, desk)
    subscriptions = Subscriptions(resources, desk)
    prompts = Prompts(catalog.prompts)
    server = CreateosServer(
        "createos-mcp",
        version=version("createos-mcp"),
        title="CreateOS",
        website_url=WEBSITE,
        instructions=catalog.instructions,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        get_tool_input_schema=desk.input_schema,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=prompts.list_prompts,
        on_get_prompt=prompts.get,
        on_completion=Completions(catalog, desk).complete,
        lifespan=watching,
        icons=PLATFORM,
        cache_hints={
            # The lists follow from the caller's headers and address.
            "tools/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="private"),
            "resources/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="private"),
            "resources/templates/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="private"),
            "prompts/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="public"),
            "server/discover": CacheHint(ttl_ms=DISCOVER_TTL_MS, scope="public"),
        },
    )
    server.extensions[EXTENSION_ID] = {}
    server.middleware.append(sealing(state_keys, principal))
    server.middleware.append(_unwrap_arguments)
    if is_alone:
        TaskExtension(desk.lasts, principal).install(server)
    server.plain_calls = PlainCalls(calls, desk.find_operation, server)
    server.kept_lists = KeptLists()
    return server


class CreateosServer(Server[Any]):
    """The server, and what is answered without a session of the SDK's."""

    plain_calls: PlainCalls
    kept_lists: KeptLists


class _RequestHandlers:
    """Takes the requests of all sessions; it remembers nothing between them."""

    def __init__(
        self,
        calls: ToolPipeline,
        workflows: Sequence[Workflow],
        bound: Selection,
        budget_bytes: int,
    ) -> None:
        catalog = calls.catalog
        tools: list[Tool] = [*catalog.operations.values(), *workflows]
        self._calls = calls
        self._bound = bound
        self._budget_bytes = budget_bytes
        self._toolsets = Toolsets(tools, catalog.on_request, catalog.references)
        self._toolsets.check(bound, SETTINGS)
        self._synonyms = catalog.synonyms
        self._absences = catalog.absences
        named = {name: tool for tool in tools for name in (*tool.aliases, tool.name)}
        self._named = {**named, **{tool.name: tool for tool in (SEARCH, DESCRIBE, CALL)}}

    @cached_property
    def _index(self) -> ToolIndex:
        """Made by the first search."""
        return ToolIndex(self._toolsets.tools, self._synonyms)

    async def list_tools(
        self, context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        choice = self._choose(context)
        tools = [*(choice.shown[name] for name in choice.listed), *discovery_tools(choice)]
        ordered = sorted(tools, key=lambda tool: tool.name)
        draws = client_supports_apps(context)
        return mcp_types.ListToolsResult(tools=[_tool_row(tool, draws=draws) for tool in ordered])

    def input_schema(self, name: str) -> dict[str, Json] | None:
        tool = self._named.get(name)
        return dict(tool.input_schema) if tool else None

    def lasts(self, name: str) -> bool:
        tool = self._named.get(name)
        if isinstance(tool, Workflow):
            return tool.lasts
        return isinstance(tool, Operation) and tool.http.slow

    async def call_tool(self, context: Context, params: mcp_types.CallToolRequestParams) -> Answer:
        choice = self._choose(context)
        client = ClientRequest(context=context, params=params)
        given = params.arguments or {}
        tool = _discovery_tool(choice, params.name)
        if tool is None:
            return await self._call(choice, client, params.name, given)
        try:
            arguments = self._calls.check(tool, given)
        except CallError as error:
            return self._calls.refuse(tool, error)
        if tool.name == CALL.name:
            return await self._call(
                choice, client, arguments["name"], arguments.get("arguments", {})
            )
        data = (
            find_tools(self._index, choice, self._absences, arguments)
            if tool.name == SEARCH.name
            else describe_tool(choice.shown[self._find(choice, arguments["name"]).name])
        )
        return success_result(tool, sanitize(data), budget_bytes=self._budget_bytes)

    def find_operation(self, name: str) -> Operation | None:
        """The operation that a plain call means, unless its arguments are filled in."""
        choice = self._toolsets.choose(self._bound, Selection())
        tool = choice.reached.get(name)
        if not isinstance(tool, Operation) or self._pin(choice, tool):
            return None
        return tool

    def offers(self, context: Context, operation: str) -> bool:
        return operation in self._choose(context).reached

    async def read(
        self, context: Context, operation: str, arguments: Mapping[str, Json]
    ) -> ReadResult:
        choice = self._choose(context)
        tool = self._find(choice, operation)
        params = mcp_types.CallToolRequestParams(name=operation, arguments=dict(arguments))
        client = ClientRequest(context=context, params=params)
        return await self._calls.attempt(tool, arguments, client, self._pin(choice, tool))

    async def _call(
        self, choice: Choice, client: ClientRequest, name: str, given: Mapping[str, Json]
    ) -> Answer:
        tool = self._find(choice, name)
        return await self._calls.answer(tool, given, client, self._pin(choice, tool))

    def _pin(self, choice: Choice, tool: Tool) -> dict[str, str]:
        """The arguments that the caller's choice of a project fills in."""
        if not choice.project:
            return {}
        return dict.fromkeys(self._toolsets.pinned_arguments(tool), choice.project)

    def _choose(self, context: Context) -> Choice:
        """The tools of this request: what its headers and its address ask for."""
        wanted = Selection()
        request = context.request
        try:
            if request is not None and _asks_for_less(request):
                by_query = read_selection(request.query_params.get, QUERY)
                by_header = read_selection(request.headers.get, HEADERS)
                self._toolsets.check(by_query, QUERY, self._bound)
                self._toolsets.check(by_header, HEADERS, self._bound)
                wanted = by_query.override(by_header)
        except SelectionError as error:
            raise MCPError(mcp_types.INVALID_PARAMS, str(error)) from error
        return self._toolsets.choose(self._bound, wanted)

    def _find(self, choice: Choice, name: str) -> Tool:
        tool = choice.reached.get(name)
        if tool is None:
            raise MCPError(mcp_types.INVALID_PARAMS, self._unknown(choice, name))
        return tool

    def _unknown(self, choice: Choice, name: str) -> str:
        hidden = self._named.get(name)
        if hidden is not None:
            return f"{name[:64]!r} is not offered here; it is in the toolset {hidden.group!r}"
        known = {known.lower(): known for known in choice.reached}
        near = [known[match] for match in get_close_matches(name.lower(), known)]
        remedy = f"did you mean {' or '.join(near)}?" if near else "tools/list lists all tools"
        return f"There is no tool {name[:64]!r}; {remedy}"


def _asks_for_less(request: Request) -> bool:
    """Whether a request says anything about tools; most do not."""
    named = any(name.startswith(HEADER_PREFIX) for name in request.headers)
    return named or bool(request.scope["query_string"])


def _discovery_tool(choice: Choice, name: str) -> Tool | None:
    return next((tool for tool in discovery_tools(choice) if tool.name == name), None)


def _tool_row(tool: Tool, *, draws: bool) -> mcp_types.Tool:
    """A row of the list; hosts that draw cards are told of the tool's."""
    hints = tool.annotations
    return mcp_types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        output_schema=dict(tool.output_schema),
        annotations=mcp_types.ToolAnnotations(
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
        _meta=card_meta(tool) if draws else None,
    )


async def _unwrap_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Take arguments that came as one JSON text, which the SDK refuses before a tool sees them."""
    params = ctx.params
    if ctx.method == "tools/call" and params and isinstance(params.get("arguments"), str):
        arguments = unwrap(params["arguments"])
        ctx = replace(ctx, params={**params, "arguments": arguments})
    return await call_next(ctx)
