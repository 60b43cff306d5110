"""The MCP server of the SDK: what it does with the requests of its sessions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import mcp_types
from anyio import to_thread
from mcp.server import CacheHint, Server
from mcp.server.apps import EXTENSION_ID, client_supports_apps
from mcp.server.caching import CacheableMethod
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from starlette.requests import Request

from createos_mcp.answers.results import success_result
from createos_mcp.answers.sanitizing import sanitize
from createos_mcp.calls.repair import unwrap
from createos_mcp.contract.errors import (
    CallError,
    ConfirmationNeededError,
    RootsNeededError,
    SelectionError,
)
from createos_mcp.contract.operations import Tool
from createos_mcp.contract.values import Json
from createos_mcp.server.completions import Completions
from createos_mcp.server.discovery import CALL, SEARCH, describe_tool, discovery_tools
from createos_mcp.server.identity import server_info
from createos_mcp.server.lists import LISTS, TTL_MS, Lists
from createos_mcp.server.offer import Offer
from createos_mcp.server.prompts import Prompts
from createos_mcp.server.reading import ReadResult
from createos_mcp.server.resources import Resources
from createos_mcp.server.sdk_requests import (
    CallAnswer,
    Context,
    SdkRequest,
    fingerprint,
    input_required,
    render_result,
    roots_required,
    sealing,
)
from createos_mcp.server.subscriptions import Subscriptions, watching
from createos_mcp.server.tasks import TaskExtension
from createos_mcp.server.toolsets import (
    HEADER_PREFIX,
    HEADERS,
    QUERY,
    Choice,
    Selection,
    read_selection,
)

DISCOVER_TTL_MS = 3_600_000


def build_server(
    offer: Offer,
    *,
    state_keys: Sequence[str | bytes] = (),
    principal: Callable[[Context], str | None] = fingerprint,
    is_alone: bool = True,
) -> Server[Any]:
    """Make a server of what is offered; it serves both protocol eras.

    Args:
        offer: The tools, and the calls that they make.
        state_keys: Seal what clients carry between a question and its answer; the same in every
            process that serves the same clients. Without any, a key of this process.
        principal: Tells whose what is sealed is; nobody else may bring it back.
        is_alone: Whether no other process serves the same clients; only then are there tasks.
    """
    catalog = offer.calls.catalog
    desk = _RequestHandlers(offer)
    resources = Resources(catalog.resources, desk.lists, desk)
    subscriptions = Subscriptions(resources, desk)
    prompts = Prompts(catalog.prompts)
    hints: dict[CacheableMethod, CacheHint] = {
        "server/discover": CacheHint(ttl_ms=DISCOVER_TTL_MS, scope="public")
    }
    for method, kind in LISTS.items():
        hints[method] = CacheHint(ttl_ms=TTL_MS, scope=kind.scope)
    info = mcp_types.Implementation.model_validate(server_info(), by_name=False)
    server: Server[Any] = Server(
        info.name,
        version=info.version,
        title=info.title,
        website_url=info.website_url,
        instructions=catalog.instructions,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        get_tool_input_schema=desk.input_schema,
        on_list_resources=desk.list_resources,
        on_list_resource_templates=desk.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=desk.list_prompts,
        on_get_prompt=prompts.get,
        on_completion=Completions(catalog, desk).complete,
        lifespan=watching,
        icons=info.icons,
        cache_hints=hints,
    )
    server.extensions[EXTENSION_ID] = {}
    server.middleware.append(sealing(state_keys, principal))
    server.middleware.append(_unwrap_arguments)
    if is_alone:
        TaskExtension(offer.lasts, principal).install(server)
    return server


class _RequestHandlers:
    """Takes the requests of all sessions; it remembers nothing between them."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._calls = offer.calls
        self.lists = Lists(offer)

    async def list_tools(
        self, context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        draws = client_supports_apps(context)
        rows = self.lists.rows("tools/list", self._choose(context), draws=draws)
        return mcp_types.ListToolsResult.model_validate({"tools": rows}, by_name=False)

    async def list_prompts(
        self, context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListPromptsResult:
        rows = self.lists.rows("prompts/list", self._choose(context), draws=False)
        return mcp_types.ListPromptsResult.model_validate({"prompts": rows}, by_name=False)

    async def list_resources(
        self, context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListResourcesResult:
        rows = self.lists.rows("resources/list", self._choose(context), draws=False)
        return mcp_types.ListResourcesResult.model_validate({"resources": rows}, by_name=False)

    async def list_templates(
        self, context: Context, _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListResourceTemplatesResult:
        rows = self.lists.rows("resources/templates/list", self._choose(context), draws=False)
        return mcp_types.ListResourceTemplatesResult.model_validate(
            {"resourceTemplates": rows}, by_name=False
        )

    def input_schema(self, name: str) -> dict[str, Json] | None:
        tool = self._offer.tool(name)
        return dict(tool.input_schema) if tool else None

    async def call_tool(
        self, context: Context, params: mcp_types.CallToolRequestParams
    ) -> CallAnswer:
        choice = self._choose(context)
        client = SdkRequest(context=context, params=params)
        given = params.arguments or {}
        tool = _discovery_tool(choice, params.name)
        if tool is None:
            return await self._call(choice, client, params.name, given)
        try:
            arguments = self._calls.check(tool, given)
        except CallError as error:
            return render_result(self._calls.refuse(tool, error))
        if tool.name == CALL.name:
            return await self._call(
                choice, client, arguments["name"], arguments.get("arguments", {})
            )
        data = (
            await to_thread.run_sync(self._offer.search, choice, arguments)
            if tool.name == SEARCH.name
            else describe_tool(choice.shown[self._find(choice, arguments["name"]).name])
        )
        budget = self._calls.result_budget_bytes
        return render_result(success_result(tool, sanitize(data), budget_bytes=budget))

    def offers(self, context: Context, operation: str) -> bool:
        return operation in self._choose(context).reached

    async def read(
        self, context: Context, operation: str, arguments: Mapping[str, Json]
    ) -> ReadResult:
        choice = self._choose(context)
        tool = self._find(choice, operation)
        params = mcp_types.CallToolRequestParams(name=operation, arguments=dict(arguments))
        client = SdkRequest(context=context, params=params)
        return await self._calls.attempt(tool, arguments, client, self._offer.pin(choice, tool))

    async def _call(
        self, choice: Choice, client: SdkRequest, name: str, given: Mapping[str, Json]
    ) -> CallAnswer:
        tool = self._find(choice, name)
        pinned = self._offer.pin(choice, tool)
        try:
            result, _ = await self._calls.attempt(tool, given, client, pinned)
        except ConfirmationNeededError as question:
            return input_required(question)
        except RootsNeededError:
            return roots_required()
        return render_result(result)

    def _choose(self, context: Context) -> Choice:
        """The tools of this request: what its headers and its address ask for."""
        wanted = Selection()
        request = context.request
        toolsets = self._offer.toolsets
        try:
            if request is not None and _asks_for_less(request):
                by_query = read_selection(request.query_params.get, QUERY)
                by_header = read_selection(request.headers.get, HEADERS)
                toolsets.check(by_query, QUERY, self._offer.bound)
                toolsets.check(by_header, HEADERS, self._offer.bound)
                wanted = by_query.override(by_header)
        except SelectionError as error:
            raise MCPError(mcp_types.INVALID_PARAMS, str(error)) from error
        return self._offer.choose(wanted)

    def _find(self, choice: Choice, name: str) -> Tool:
        tool = choice.reached.get(name)
        if tool is None:
            reason = self._offer.explain_unknown(choice, name)
            raise MCPError(mcp_types.INVALID_PARAMS, reason)
        return tool


def _asks_for_less(request: Request) -> bool:
    """Whether a request says anything about tools; most do not."""
    named = any(name.startswith(HEADER_PREFIX) for name in request.headers)
    return named or bool(request.scope["query_string"])


def _discovery_tool(choice: Choice, name: str) -> Tool | None:
    return next((tool for tool in discovery_tools(choice) if tool.name == name), None)


async def _unwrap_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Take arguments that came as one JSON text, which the SDK refuses before a tool sees them."""
    params = ctx.params
    if ctx.method == "tools/call" and params and isinstance(params.get("arguments"), str):
        arguments = unwrap(params["arguments"])
        ctx = replace(ctx, params={**params, "arguments": arguments})
    return await call_next(ctx)
