"""Resources: what can be read at an address, by the operations that the catalog names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mcp_types
from mcp import UriTemplate
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from createos_mcp.answers.results import ToolResult
from createos_mcp.answers.truncation import compact
from createos_mcp.contract.errors import ApiError, CreateosError, UnresolvedNameError
from createos_mcp.contract.operations import ResourceRow
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.server.card_resources import MEDIA_TYPE, META, card_document
from createos_mcp.server.lists import Lists
from createos_mcp.server.reading import OperationReader, result_rows
from createos_mcp.server.sdk_requests import Context

_LEGACY_NOT_FOUND = -32002
"""https://modelcontextprotocol.io/specification/2025-11-25/server/resources#error-handling;
later revisions answer with invalid params."""

_NOT_FOUND = 404
MAX_SHOWN_URI = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceMatch:
    """An address that a row of the catalog describes."""

    row: ResourceRow
    variables: Mapping[str, str]

    @property
    def arguments(self) -> Arguments:
        """Those of the row's operation."""
        held = {name: value for name, value in self.variables.items() if name != self.row.pick}
        return {**held, **self.row.arguments}


class Resources:
    """The resources of all callers; each is read with what its caller reaches.

    Args:
        rows: What there is.
        lists: Tell what each is.
        reader: Makes the operations.
    """

    def __init__(self, rows: Sequence[ResourceRow], lists: Lists, reader: OperationReader) -> None:
        self._rows = [(row, UriTemplate.parse(row.uri)) for row in rows]
        self._lists = lists
        self._reader = reader

    async def read(
        self, context: Context, params: mcp_types.ReadResourceRequestParams
    ) -> mcp_types.ReadResourceResult:
        """Read one as a tool shows it: secrets masked, text of other people framed.

        Raises:
            MCPError: Nothing is there, or it cannot be read.
        """
        card = card_document(params.uri)
        if card is not None:
            drawn = mcp_types.TextResourceContents(
                uri=params.uri, mime_type=MEDIA_TYPE, text=card, _meta=dict(META)
            )
            return mcp_types.ReadResourceResult(contents=[drawn])
        place = self.find(params.uri)
        if place is None or not self._reader.offers(context, place.row.operation):
            raise _not_found(context, params.uri, f"There is no resource {params.uri[:200]!r}")
        result, error = await self._reader.read(context, place.row.operation, place.arguments)
        if error is not None:
            raise _invalid_uri(context, params.uri, error, result)
        text = self._pick(context, params.uri, place, result) if place.row.pick else result.text
        contents = mcp_types.TextResourceContents(
            uri=params.uri, mime_type=self._lists.type_of(place.row), text=text
        )
        return mcp_types.ReadResourceResult(contents=[contents])

    def find(self, uri: str) -> ResourceMatch | None:
        """What the catalog knows of an address; None when nothing."""
        for row, template in self._rows:
            matched = template.match(uri)
            if matched is not None and all(matched.values()):
                return ResourceMatch(row=row, variables={k: str(v) for k, v in matched.items()})
        return None

    def _pick(self, context: Context, uri: str, place: ResourceMatch, result: ToolResult) -> str:
        wanted = place.variables[place.row.pick]
        rows = result_rows(result)
        found = [row for row in rows if wanted in {row.get("id"), row.get("uniqueName")}]
        if not found:
            names = ", ".join(str(row.get("uniqueName")) for row in rows)
            reason = f"{place.row.pick}: {wanted[:200]!r} is not one of {names}"
            raise _not_found(context, uri, reason)
        picked: dict[str, Json] = dict(found[0])
        notice = result.structured.get("notice")
        return compact({**picked, "notice": notice} if notice else picked)


def _invalid_uri(context: Context, uri: str, error: CreateosError, result: ToolResult) -> MCPError:
    is_missing = isinstance(error, UnresolvedNameError) or (
        isinstance(error, ApiError) and error.status == _NOT_FOUND
    )
    if is_missing:
        return _not_found(context, uri, result.text)
    return MCPError(mcp_types.INTERNAL_ERROR, result.text)


def _not_found(context: Context, uri: str, reason: str) -> MCPError:
    is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    code = mcp_types.INVALID_PARAMS if is_modern else _LEGACY_NOT_FOUND
    return MCPError(code, reason, {"uri": uri[:MAX_SHOWN_URI]})
