"""Reads arguments as they were meant where there is one way to read them; never guesses."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from createos_mcp.contract.operations import Tool
from createos_mcp.contract.spelling import normalize_name
from createos_mcp.contract.values import Arguments, Json, Schema

WRAPPERS = ("body", "arguments", "params", "input", "data", "payload")
"""Names under which clients nest what this server takes flat."""

# Eighteen digits fit every 64-bit integer; more is an identifier that looks like a number.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}

_UNREAD: Final = object()
"""Says that a value cannot be read as the type that is due."""


def unwrap(arguments: Json) -> Json:
    """Read arguments that came as one JSON string; anything else comes back as it is."""
    if arguments is None:
        return {}
    if not isinstance(arguments, str):
        return arguments
    if not arguments.strip():
        return {}
    read = _parse_json(arguments)
    return read if isinstance(read, dict) else arguments


def repair(tool: Tool, arguments: Mapping[str, Json]) -> Arguments:
    r"""Return the arguments as the tool's schema takes them, as far as that is certain.

    What already fits is left alone, and what can be read in two ways is left for validation to
    report. Repairing twice changes nothing more.

    Example:
        `{"projectId": 7, "body": "{\"port\": \"3000\"}"}` becomes
        `{"project_id": "7", "port": 3000}`.
    """
    schema = tool.input_schema
    flat = _flatten(schema, dict(arguments))
    return _read_members(schema, flat)


def _flatten(schema: Schema, arguments: Arguments) -> Arguments:
    """Lift the members of `body` and its like, unless one of them is already given flat."""
    for wrapper in WRAPPERS:
        if wrapper in schema["properties"] or wrapper not in arguments:
            continue
        inner = unwrap(arguments[wrapper])
        rest = {name: value for name, value in arguments.items() if name != wrapper}
        if isinstance(inner, dict) and not _normalized_names(rest) & _normalized_names(inner):
            return _flatten(schema, {**rest, **inner})
    return arguments


def _read_members(schema: Schema, value: Mapping[str, Json]) -> dict[str, Json]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    required = schema.get("required", ())
    extra = schema.get("additionalProperties", True)
    members: dict[str, Json] = {}
    for name, held in _rename(known, value).items():
        if held is None and name in known and name not in required:
            continue
        member_schema = known.get(name) or (extra if isinstance(extra, dict) else None)
        members[name] = held if member_schema is None else _read_value(member_schema, held)
    return members


def _rename(known: Mapping[str, Schema], value: Mapping[str, Json]) -> dict[str, Json]:
    """Give known members their own spelling, where one spelling of each is given."""
    by_words = {normalize_name(name): name for name in known}
    given = [normalize_name(name) for name in value]
    renamed = {}
    for name, held in value.items():
        words = normalize_name(name)
        clear = name not in known and words in by_words and given.count(words) == 1
        renamed[by_words[words] if clear else name] = held
    return renamed


def _read_value(schema: Schema, value: Json) -> Json:
    """Read one value as its schema's type; a value of that type is kept, its members read."""
    kind = schema["type"]
    if not _is(kind, value):
        read = _READERS[kind](schema, value)
        if read is _UNREAD:
            return value
        value = read
    if kind == "object":
        return _read_members(schema, value)
    if kind == "array":
        return (
            [_read_value(schema["items"], item) for item in value] if "items" in schema else value
        )
    return _read_enum(schema, value)


def _read_enum(schema: Schema, value: Json) -> Json:
    """`VCS` is `vcs` where only one allowed value is spelled so."""
    values = schema.get("enum")
    if values is None or value in values or not isinstance(value, str):
        return value
    same = [known for known in values if known.lower() == value.strip().lower()]
    return same[0] if len(same) == 1 else value


def _read_integer(_schema: Schema, value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and float(text).is_integer():
            return int(float(text))
    return _UNREAD


def _read_number(_schema: Schema, value: Json) -> Json:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    return _UNREAD


def _read_boolean(_schema: Schema, value: Json) -> Json:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), _UNREAD)
    return _UNREAD


def _read_string(_schema: Schema, value: Json) -> Json:
    """Ids and variables come as numbers and booleans; JSON writes those in one way only."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return json.dumps(int(value) if value.is_integer() else value)
    return _UNREAD


def _read_array(schema: Schema, value: Json) -> Json:
    """A JSON array in a string, or the one item of an array of strings or objects."""
    if isinstance(value, str):
        read = _parse_json(value)
        if isinstance(read, list):
            return read
        if isinstance(read, dict):
            value = read
    items = schema.get("items", {})
    item_kind = items.get("type")
    if isinstance(value, str) and item_kind == "string":
        return _UNREAD if not value.strip() or "," in value or value[0] in "[{" else [value]
    if isinstance(value, dict) and item_kind == "object":
        fits = _normalized_names(items.get("properties", value)) & _normalized_names(value)
        return [value] if fits else _UNREAD
    return _UNREAD


def _read_object(_schema: Schema, value: Json) -> Json:
    read = _parse_json(value) if isinstance(value, str) else _UNREAD
    return read if isinstance(read, dict) else _UNREAD


_READERS: Mapping[str, Callable[[Schema, Json], Json]] = {
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "string": _read_string,
    "array": _read_array,
    "object": _read_object,
}
"""How a value of another type is read, by the type that is due."""

_KINDS: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def _is(kind: str, value: Json) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _parse_json(text: str) -> Json:
    """The JSON in a string, also when it was written as a string twice."""
    try:
        read = json.loads(text)
        return json.loads(read) if isinstance(read, str) else read
    except (ValueError, RecursionError):
        return _UNREAD


def _normalized_names(members: Mapping[str, Json]) -> set[str]:
    return {normalize_name(name) for name in members}
