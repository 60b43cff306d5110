"""Portability: the part of JSON Schema that Claude, Gemini and Cursor all accept."""

from collections.abc import Iterator, Mapping

from createos_mcp.contract.values import Json

_EVERYWHERE = frozenset({"type", "description", "default", "enum"})
_KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
}
"""Keywords of the portable part, by type."""


def find_fault(schema: Json, where: str) -> str | None:
    """Say what is not portable in a schema, or None.

    Args:
        schema: A schema as it was read.
        where: How a fault calls it, `inputSchema`.
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("type"), str):
        return f"{where} has no single type"
    own = _find_own_fault(schema, where)
    if own:
        return own
    faults = (find_fault(child, path) for child, path in _children(schema, where))
    return next((fault for fault in faults if fault), None)


def _find_own_fault(schema: Mapping[str, Json], where: str) -> str | None:
    keywords = _KEYWORDS.get(schema["type"])
    if keywords is None:
        return f"{where} has the unknown type {schema['type']!r}"
    for keyword in schema:
        if keyword not in keywords and keyword not in _EVERYWHERE:
            return f"{where} uses {keyword!r}, which not every client understands"
    for name in schema.get("required", ()):
        if name not in schema.get("properties", {}):
            return f"{where} requires {name!r}, which it does not define"
    return None


def _children(schema: Mapping[str, Json], where: str) -> Iterator[tuple[Json, str]]:
    for name, child in schema.get("properties", {}).items():
        yield child, f"{where}.{name}"
    if "items" in schema:
        yield schema["items"], f"{where}[]"
    extra = schema.get("additionalProperties", False)
    if not isinstance(extra, bool):
        yield extra, f"{where}.*"
