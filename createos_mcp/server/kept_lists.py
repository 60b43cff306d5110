"""Kept lists: what the SDK answered to a request for a list, which stays the same.

The lists of tools, prompts and resources follow from the settings of the process and from what a
client can draw. A client that chooses tools by header or address is not answered from here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.values import Json
from createos_mcp.server import spans
from createos_mcp.server.ordinary_requests import CAPABILITIES, read_request

LISTS: Mapping[str, str] = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
"""Methods, and the member of an answer that has the list."""

_MARK = b"/list"
_LONGEST_BYTES = 4 * 1024
_MOST = 64
"""Kinds of clients whose lists are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRequest:
    """A request for a whole list."""

    id: str | int
    method: str
    envelope: Json
    """The `_meta` of the request: what each one of a modern client carries, None for others."""

    @property
    def kind(self) -> str:
        """The same for requests that have the same answer."""
        able = self.envelope.get(CAPABILITIES) if isinstance(self.envelope, dict) else None
        return f"{self.method} {json.dumps(able, sort_keys=True)}"


class KeptLists:
    """Answers of the SDK to requests for lists, by kind."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def read(self, raw: bytes) -> ListRequest | None:
        """The request in a message, where it is one for a whole list and for nothing else."""
        if len(raw) > _LONGEST_BYTES or _MARK not in raw or spans.are_collected():
            return None
        request = read_request(raw)
        if request is None or request.method not in LISTS or not request.params.keys() <= {"_meta"}:
            return None
        return ListRequest(
            id=request.id, method=request.method, envelope=request.params.get("_meta")
        )

    def find(self, request: ListRequest) -> bytes | None:
        """The answer to a request, as a message; None where the SDK has not given it yet."""
        kept = self._kept.get(request.kind)
        if kept is None:
            return None
        return f'{{"jsonrpc":"2.0","id":{json.dumps(request.id)},"result":{kept}}}'.encode()

    def keep(self, request: ListRequest, result: Mapping[str, Json]) -> None:
        """Keep what the SDK answered, where it is the list that was asked for."""
        if LISTS[request.method] not in result:
            return
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[request.kind] = compact(result)
