"""Completions: what can stand for an argument of a prompt or a variable of a resource."""

from collections.abc import Iterator, Mapping, Sequence

import mcp_types
from mcp.shared.exceptions import MCPError

from createos_mcp.calls.references import LATEST
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.operations import CompletionSource, Operation
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.server.reading import OperationReader, result_rows
from createos_mcp.server.sdk_requests import Context

MAX_VALUES = 100
"""https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/completion."""


class Completions:
    """Finds values in the lists of the platform.

    Args:
        catalog: Tells which operation lists the values of an argument.
        reader: Makes it.
    """

    def __init__(self, catalog: Catalog, reader: OperationReader) -> None:
        self._catalog = catalog
        self._reader = reader

    async def complete(
        self, context: Context, params: mcp_types.CompleteRequestParams
    ) -> mcp_types.CompleteResult:
        """Values that hold what was typed, those that begin with it first.

        Nothing is found where the list cannot be read: a completion is a convenience.
        """
        filled_in = (params.context.arguments if params.context else None) or {}
        typed = params.argument.value
        try:
            values = await self._values(context, params.argument.name, typed, filled_in)
        except MCPError:
            values = []
        found = _match(values, typed)
        completion = mcp_types.Completion(
            values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES
        )
        return mcp_types.CompleteResult(completion=completion)

    async def _values(
        self, context: Context, argument: str, typed: str, filled_in: Mapping[str, str]
    ) -> list[str]:
        source = self._catalog.completions.get(argument)
        if source is not None:
            rows = await self._rows(context, source.operation, source.scope, typed, filled_in)
            return [value for row in rows for value in _member_values(source, row)]
        reference = self._catalog.reference_for(argument)
        if reference is None:
            return []
        rows = await self._rows(
            context, reference.list_operation, reference.scope, typed, filled_in
        )
        fields = reference.match or ("id",)
        named = [str(row[field]) for row in rows for field in fields if row.get(field)]
        return [LATEST, *named] if reference.latest else named

    async def _rows(
        self,
        context: Context,
        operation: str,
        scope: Sequence[str],
        typed: str,
        filled_in: Mapping[str, str],
    ) -> list[Mapping[str, Json]]:
        if any(not filled_in.get(name) for name in scope):
            return []
        arguments: Arguments = {name: filled_in[name] for name in scope}
        arguments |= _filters(self._catalog.operations[operation], typed)
        result, error = await self._reader.read(context, operation, arguments)
        return [] if error else result_rows(result)


def _filters(operation: Operation, typed: str) -> Arguments:
    """The largest page, of those rows alone that may fit where the operation can tell."""
    known = operation.input_schema["properties"]
    filters: Arguments = {}
    if "limit" in known:
        filters["limit"] = known["limit"]["maximum"]
    if "name" in known and typed:
        filters["name"] = typed
    return filters


def _member_values(source: CompletionSource, row: Mapping[str, Json]) -> Iterator[str]:
    if source.where.items() <= row.items():
        held = row.get(source.member)
        yield from (str(value) for value in (held if isinstance(held, list) else [held]) if value)


def _match(values: Sequence[str], typed: str) -> list[str]:
    wanted = typed.lower()
    holding = [value for value in dict.fromkeys(values) if wanted in value.lower()]
    return sorted(holding, key=lambda value: not value.lower().startswith(wanted))
