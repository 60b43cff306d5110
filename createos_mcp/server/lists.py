"""Lists: of tools, prompts and resources, as every way of this server sends them.

They follow from the settings of the process, and from whether a client draws cards.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.operations import PromptRow, ResourceRow, Tool
from createos_mcp.contract.values import Json
from createos_mcp.server import spans
from createos_mcp.server.card_resources import card_meta, draws_cards
from createos_mcp.server.discovery import discovery_tools
from createos_mcp.server.icons import PROMPT, RESOURCE
from createos_mcp.server.identity import server_info
from createos_mcp.server.offer import Offer
from createos_mcp.server.ordinary_requests import SERVER, read_request
from createos_mcp.server.toolsets import Choice

TTL_MS = 300_000
"""How long a list may be kept: it changes only with a new version or new settings (SEP-2549)."""

_MARK = b"/list"
_LONGEST_BYTES = 4 * 1024
_JSON, _TEXT = "application/json", "text/plain"


ListMethod: TypeAlias = Literal[
    "tools/list", "prompts/list", "resources/list", "resources/templates/list"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKind:
    """One of the lists."""

    member: str
    """Of the answer."""
    scope: Literal["private", "public"]
    """Who may share what is kept of it: `private` where it follows from a caller's headers."""


LISTS: Mapping[ListMethod, ListKind] = {
    "tools/list": ListKind(member="tools", scope="private"),
    "prompts/list": ListKind(member="prompts", scope="public"),
    "resources/list": ListKind(member="resources", scope="private"),
    "resources/templates/list": ListKind(member="resourceTemplates", scope="private"),
}
"""By method."""

_METHODS: Mapping[str, ListMethod] = {method: method for method in LISTS}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRequest:
    """A request for a whole list."""

    id: str | int
    method: ListMethod
    envelope: Json
    """The `_meta` of the request: what each one of a modern client carries, None for others."""


class Lists:
    """The lists of an offer."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        catalog = offer.calls.catalog
        self._prompts = catalog.prompts
        self._resources = catalog.resources
        self._logs = frozenset(n for n, tool in catalog.operations.items() if tool.answer == "log")
        self._kept: dict[tuple[ListMethod, bool, bool], str] = {}

    def rows(self, method: ListMethod, choice: Choice, *, draws: bool) -> list[Json]:
        """The rows of a list as the protocol has them.

        Args:
            method: That of the list.
            choice: The tools that the caller reaches.
            draws: Whether the client draws cards.
        """
        if method == "tools/list":
            return list(_tool_rows(choice, draws=draws))
        if method == "prompts/list":
            return [_prompt_row(row) for row in self._prompts.values()]
        wants_variables = method == "resources/templates/list"
        return [
            self._resource_row(row)
            for row in self._resources
            if row.operation in choice.reached and has_variables(row) is wants_variables
        ]

    def read(self, raw: bytes) -> ListRequest | None:
        """The request in a message, where it is one for a whole list and for nothing else."""
        if len(raw) > _LONGEST_BYTES or _MARK not in raw or spans.are_collected():
            return None
        request = read_request(raw)
        method = _METHODS.get(request.method) if request is not None else None
        if request is None or method is None or not request.params.keys() <= {"_meta"}:
            return None
        return ListRequest(id=request.id, method=method, envelope=request.params.get("_meta"))

    def answer(self, request: ListRequest, capabilities: Json) -> bytes:
        """The answer to a request of a client with these capabilities, as a message."""
        is_modern = isinstance(request.envelope, dict)
        key = (request.method, is_modern, draws_cards(capabilities))
        held = self._kept.get(key)
        if held is None:
            held = self._kept[key] = self._render(*key)
        return f'{{"jsonrpc":"2.0","id":{json.dumps(request.id)},"result":{held}}}'.encode()

    def _render(self, method: ListMethod, is_modern: bool, draws: bool) -> str:  # noqa: FBT001 - a key
        kind = LISTS[method]
        rows = self.rows(method, self._offer.choose(), draws=draws)
        if not is_modern:
            return compact({kind.member: rows})
        kept = {"ttlMs": TTL_MS, "cacheScope": kind.scope, "resultType": "complete"}
        return compact({kind.member: rows, **kept, "_meta": {SERVER: server_info()}})

    def _resource_row(self, row: ResourceRow) -> dict[str, Json]:
        return {
            "uriTemplate" if has_variables(row) else "uri": row.uri,
            "name": row.name,
            "title": row.title,
            "description": row.description,
            "mimeType": self.type_of(row),
            "icons": RESOURCE,
        }

    def type_of(self, row: ResourceRow) -> str:
        """The media type of a resource."""
        return _TEXT if row.operation in self._logs else _JSON


def has_variables(row: ResourceRow) -> bool:
    """Whether a resource is a template."""
    return "{" in row.uri


def _tool_rows(choice: Choice, *, draws: bool) -> Iterator[Json]:
    tools: Sequence[Tool] = [
        *(choice.shown[name] for name in choice.listed),
        *discovery_tools(choice),
    ]
    for tool in sorted(tools, key=lambda tool: tool.name):
        hints = tool.annotations
        meta = card_meta(tool) if draws else None
        yield {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "outputSchema": tool.output_schema,
            "annotations": {
                "readOnlyHint": hints.read_only,
                "destructiveHint": hints.destructive,
                "idempotentHint": hints.idempotent,
                "openWorldHint": hints.open_world,
            },
            **({"_meta": meta} if meta else {}),
        }


def _prompt_row(row: PromptRow) -> dict[str, Json]:
    return {
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "arguments": [
            {
                "name": argument.name,
                "description": argument.description,
                "required": argument.default is None,
            }
            for argument in row.arguments
        ],
        "icons": PROMPT,
    }
