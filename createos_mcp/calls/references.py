"""Turns names into ids: `my-app`, `production`, `api.example.com`, `latest`."""

import re
from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import TypeAlias

from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import UnresolvedNameError
from createos_mcp.contract.operations import FetchOperation, Operation, Reference
from createos_mcp.contract.pages import rows_of, total_of_page
from createos_mcp.contract.values import Arguments, Json

LATEST = "latest"
CANDIDATES_SHOWN = 10
MAX_PAGES = 500
"""A list that is longer than this many pages is cut, so that a faulty total cannot loop."""

_IDS = {
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "integer": re.compile(r"[0-9]+"),
}

_QUOTED = re.compile(r"""([`"'])(.*)\1""")
_VERSION = re.compile(r"[vV]?(\d{1,9})")
_PREFIX = re.compile(r"[0-9a-f]{6,8}(?:-[0-9a-f-]*)?")

Rows: TypeAlias = list[Mapping[str, Json]]


class References:
    """Looks names up by the list operations that the catalog names for each kind of id."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def resolve(self, arguments: Mapping[str, Json], fetch: FetchOperation) -> Arguments:
        """Return the arguments with every name replaced by the id it stands for.

        An id is left alone without a request. Names match exactly, upper and lower case included;
        deployments are also known by their version, `v2`, and all by six characters of an id.

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
        if not isinstance(value, str) or nameless:
            return value
        value = _unquote(value)
        if _IDS[reference.id_kind].fullmatch(value):
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


def _unquote(value: str) -> str:
    """What stands in the quotes or backticks that a model copied with it."""
    return _QUOTED.sub(r"\2", value.strip())


def _choose_row(reference: Reference, argument: str, value: str, rows: Rows) -> Json:
    if any(row.get("id") == value for row in rows):
        return value
    found = [row for row in rows if value in {row.get(field) for field in reference.match}]
    found = found or _by_version(reference, value, rows) or _by_prefix(value, rows)
    ids = {_id(row) for row in found}
    if len(ids) == 1:
        return ids.pop()
    candidates = _nearest(reference, value, found or rows)
    raise UnresolvedNameError(argument, value, reference.resource, candidates, found=len(ids))


def _by_version(reference: Reference, value: str, rows: Rows) -> Rows:
    """Deployments of a version, `2` or `v2`."""
    version = _VERSION.fullmatch(value) if reference.latest else None
    return [row for row in rows if version and str(row.get("versionNumber")) == version[1]]


def _by_prefix(value: str, rows: Rows) -> Rows:
    prefix = value.lower()
    is_prefix = _PREFIX.fullmatch(prefix) is not None
    return [row for row in rows if is_prefix and str(row.get("id", "")).startswith(prefix)]


def _nearest(reference: Reference, value: str, rows: Rows) -> list[str]:
    """The candidates, most like the value or newest first."""
    if reference.latest:
        newest = sorted(rows, key=lambda row: str(row.get("createdAt", "")), reverse=True)
        return [_deployment_label(row) for row in newest[:CANDIDATES_SHOWN]]
    shared = Counter(_name(reference, row) for row in rows)
    labels = sorted({_label(reference, row, shared) for row in rows})
    likeness = {label: SequenceMatcher(None, value, label).ratio() for label in labels}
    return sorted(labels, key=lambda label: -likeness[label])[:CANDIDATES_SHOWN]


def _deployment_label(row: Mapping[str, Json]) -> str:
    """`v2 ef286497 02:45 sleeping`."""
    version, made = row.get("versionNumber"), str(row.get("createdAt") or "")
    parts = (f"v{version}" if version else "", str(row["id"])[:8], made[11:16], row.get("status"))
    return " ".join(str(part) for part in parts if part)


def _id(row: Mapping[str, Json]) -> str:
    return str(row["id"] if "id" in row else row["installationId"])


def _label(reference: Reference, row: Mapping[str, Json], shared: Counter[str]) -> str:
    """How a candidate is shown: its name, with the id only where the name is not its own."""
    name = _name(reference, row)
    if not name:
        return _id(row)
    return f"{name} ({_id(row)})" if shared[name] > 1 else name


def _name(reference: Reference, row: Mapping[str, Json]) -> str:
    return next((str(row[field]) for field in reference.match if row.get(field)), "")
