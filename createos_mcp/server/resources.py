"""Resources: what can be read at an address, by the operations that the catalog names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mcp_types
from mcp import UriTemplate
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.errors import ApiError, CreateosError, UnresolvedNameError
from createos_mcp.contract.operations import ResourceRow
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.server.card_resources import read_card
from createos_mcp.server.icons import RESOURCE
from createos_mcp.server.reading import Context, OperationReader, result_rows

_LEGACY_NOT_FOUND = -32002
"""https://modelcontextprotocol.io/specification/2025-11-25/server/resources#error-handling;
later revisions answer with invalid params."""

_NOT_FOUND = 404
MAX_SHOWN_URI = 2_000
_JSON, _TEXT = "application/json", "text/plain"


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
        logs: Operations whose answers are text.
        reader: Makes the operations.
    """

    def __init__(
        self, rows: Sequence[ResourceRow], logs: frozenset[str], reader: OperationReader
    ) -> None:
        self._rows = [(row, UriTemplate.parse(row.uri)) for row in rows]
        self._logs = logs
        self._reader = reader

    async def list_resources(
        self, context: Context, _: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListResourcesResult:
        """Those without variables.

        Not every project: that would ask the platform, and perhaps start it, for each client that
        only connects.
        """
        return mcp_types.ListResourcesResult(
            resources=[
                mcp_types.Resource(
                    uri=row.uri,
                    name=row.name,
                    title=row.title,
                    description=row.description,
                    mime_type=self._type_of(row),
                    icons=RESOURCE,
                )
                for row, template in self._rows
                if not template.variable_names and self._reader.offers(context, row.operation)
            ]
        )

    async def list_templates(
        self, context: Context, _: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListResourceTemplatesResult:
        """Those with variables."""
        return mcp_types.ListResourceTemplatesResult(
            resource_templates=[
                mcp_types.ResourceTemplate(
                    uri_template=row.uri,
                    name=row.name,
                    title=row.title,
                    description=row.description,
                    mime_type=self._type_of(row),
                    icons=RESOURCE,
                )
                for row, template in self._rows
                if template.variable_names and self._reader.offers(context, row.operation)
            ]
        )

    async def read(
        self, context: Context, params: mcp_types.ReadResourceRequestParams
    ) -> mcp_types.ReadResourceResult:
        """Read one as a tool shows it: secrets masked, text of other people framed.

        Raises:
            MCPError: Nothing is there, or it cannot be read.
        """
        card = read_card(params.uri)
        if card is not None:
            return card
        place = self.find(params.uri)
        if place is None or not self._reader.offers(context, place.row.operation):
            raise _not_found(context, params.uri, f"There is no resource {params.uri[:200]!r}")
        result, error = await self._reader.read(context, place.row.operation, place.arguments)
        if error is not None:
            raise _invalid_uri(context, params.uri, error, result)
        text = (
            _text(result) if not place.row.pick else self._pick(context, params.uri, place, result)
        )
        contents = mcp_types.TextResourceContents(
            uri=params.uri, mime_type=self._type_of(place.row), text=text
        )
        return mcp_types.ReadResourceResult(contents=[contents])

    def find(self, uri: str) -> ResourceMatch | None:
        """What the catalog knows of an address; None when nothing."""
        for row, template in self._rows:
            matched = template.match(uri)
            if matched is not None and all(matched.values()):
                return ResourceMatch(row=row, variables={k: str(v) for k, v in matched.items()})
        return None

    def _pick(
        self, context: Context, uri: str, place: ResourceMatch, result: mcp_types.CallToolResult
    ) -> str:
        wanted = place.variables[place.row.pick]
        rows = result_rows(result)
        found = [row for row in rows if wanted in {row.get("id"), row.get("uniqueName")}]
        if not found:
            names = ", ".join(str(row.get("uniqueName")) for row in rows)
            reason = f"{place.row.pick}: {wanted[:200]!r} is not one of {names}"
            raise _not_found(context, uri, reason)
        picked: dict[str, Json] = dict(found[0])
        notice = (result.structured_content or {}).get("notice")
        return compact({**picked, "notice": notice} if notice else picked)

    def _type_of(self, row: ResourceRow) -> str:
        return _TEXT if row.operation in self._logs else _JSON


def _text(result: mcp_types.CallToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, mcp_types.TextContent))


def _invalid_uri(
    context: Context, uri: str, error: CreateosError, result: mcp_types.CallToolResult
) -> MCPError:
    is_missing = isinstance(error, UnresolvedNameError) or (
        isinstance(error, ApiError) and error.status == _NOT_FOUND
    )
    if is_missing:
        return _not_found(context, uri, _text(result))
    return MCPError(mcp_types.INTERNAL_ERROR, _text(result))


def _not_found(context: Context, uri: str, reason: str) -> MCPError:
    is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    code = mcp_types.INVALID_PARAMS if is_modern else _LEGACY_NOT_FOUND
    return MCPError(code, reason, {"uri": uri[:MAX_SHOWN_URI]})
