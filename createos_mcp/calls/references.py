"""Turns names into ids: `my-app`, `production`, `api.example.com`, `latest`."""

import re
from collections.abc import Mapping
from typing import TypeAlias

from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import UnresolvedNameError
from createos_mcp.contract.operations import FetchOperation, Operation, Reference
from createos_mcp.contract.pages import rows_of, total_of_page
from createos_mcp.contract.values import Arguments, Json

LATEST = "latest"
CANDIDATES_SHOWN = 20
MAX_PAGES = 500
"""A list that is longer than this many pages is cut, so that a faulty total cannot loop."""

_IDS = {
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "integer": re.compile(r"[0-9]+"),
}

Rows: TypeAlias = list[Mapping[str, Json]]


class References:
    """Looks names up by the list operations that the catalog names for each kind of id."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def resolve(self, arguments: Mapping[str, Json], fetch: FetchOperation) -> Arguments:
        """Return the arguments with every name replaced by the id it stands for.

        An id is left alone without a request. Names match exactly, upper and lower case included.

        Raises:
            UnresolvedNameError: A name stands for nothing or for several things; it lists the
                candidates.
        """
        lookup = _Lookup(self._catalog, fetch)
        resolved = dict(arguments)
        for reference in self._catalog.references:
            for argument in reference.arguments:
                if argument in resolved:
                    resolved[argument] = await lookup.read(reference, argument, resolved)
        return resolved


class _Lookup:
    """The lookups of one call; each list is fetched once."""

    def __init__(self, catalog: Catalog, fetch: FetchOperation) -> None:
        self._catalog = catalog
        self._fetch = fetch
        self._lists: dict[str, Rows] = {}

    async def read(self, reference: Reference, argument: str, arguments: Arguments) -> Json:
        value = arguments[argument]
        if isinstance(value, list):
            return [await self._read_one(reference, argument, one, arguments) for one in value]
        return await self._read_one(reference, argument, value, arguments)

    async def _read_one(
        self, reference: Reference, argument: str, value: Json, arguments: Arguments
    ) -> Json:
        nameless = not reference.match and not reference.latest
        if not isinstance(value, str) or nameless or _IDS[reference.id_kind].fullmatch(value):
            return value
        scope = self._scope(reference, arguments)
        if scope is None:
            return value
        newest_wanted = reference.latest and value == LATEST
        rows = await self._rows(reference, scope, first_page_only=newest_wanted)
        if newest_wanted and rows:
            return max(rows, key=lambda row: str(row.get("createdAt", "")))["id"]
        return _choose_row(reference, argument, value, rows)

    def _scope(self, reference: Reference, arguments: Arguments) -> Arguments | None:
        """The arguments that the list needs, also where the call spells them differently."""
        scope: Arguments = {}
        for name in reference.scope:
            same = self._catalog.reference_for(name)
            spellings = (name, *same.arguments) if same else (name,)
            held = [arguments[spelling] for spelling in spellings if spelling in arguments]
            if not held:
                return None
            scope[name] = held[0]
        return scope

    async def _rows(self, reference: Reference, scope: Arguments, *, first_page_only: bool) -> Rows:
        key = f"{reference.list_operation} {first_page_only}"
        if key not in self._lists:
            operation = self._catalog.operations[reference.list_operation]
            self._lists[key] = await self._fetch_rows(
                operation, scope, max_pages=1 if first_page_only else MAX_PAGES
            )
        return self._lists[key]

    async def _fetch_rows(self, operation: Operation, scope: Arguments, *, max_pages: int) -> Rows:
        limit = operation.input_schema["properties"].get("limit", {}).get("maximum")
        rows: Rows = []
        for _ in range(max_pages):
            page = {"limit": limit, "offset": len(rows)} if limit else {}
            data = await self._fetch(operation, {**scope, **page})
            found = rows_of(data)
            rows += found
            if not limit or not found or _is_last(data, len(rows)):
                break
        return rows


def _is_last(data: Json, seen: int) -> bool:
    total = total_of_page(data)
    return not isinstance(data, dict) or (total is not None and seen >= total)


def _choose_row(reference: Reference, argument: str, value: str, rows: Rows) -> Json:
    if any(row.get("id") == value for row in rows):
        return value
    found = [row for row in rows if value in {row.get(field) for field in reference.match}]
    ids = {_id(row) for row in found}
    if len(ids) == 1:
        return ids.pop()
    candidates = sorted(_label(reference, row) for row in (found or rows))[:CANDIDATES_SHOWN]
    raise UnresolvedNameError(argument, value, reference.resource, candidates, found=len(ids))


def _id(row: Mapping[str, Json]) -> str:
    return str(row["id"] if "id" in row else row["installationId"])


def _label(reference: Reference, row: Mapping[str, Json]) -> str:
    """How a candidate is shown: its name, with the id only where the name is not its own."""
    names = [str(row[field]) for field in reference.match if row.get(field)]
    return f"{names[0]} ({_id(row)})" if names else _id(row)
