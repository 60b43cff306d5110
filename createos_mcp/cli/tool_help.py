"""The help of one tool: its arguments, as `createos-mcp call TOOL --help` shows them."""

import json
from collections.abc import Iterator, Mapping

from createos_mcp.cli.terminal import say
from createos_mcp.contract.operations import Tool
from createos_mcp.contract.values import Json, Schema

_LIMITS: Mapping[str, str] = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matching {}",
    "format": "{}",
}
"""Keywords of a schema in words."""

_USUAL = ("directory", "deployment_id")
"""Optional arguments that a call usually has."""

_EXAMPLES: Mapping[str, Json] = {
    "project_id": "my-app",
    "environment_id": "production",
    "deployment_id": "latest",
    "directory": ".",
    "uniqueName": "my-app",
    "displayName": "My-App",
    "type": "upload",
    "settings": {"runtime": "node:20", "port": 3000},
    "source": {},
    "set": {"LOG_LEVEL": "debug"},
    "expiryAt": "2030-12-31T23:59:59Z",
    "cpu": 500,
    "memory": 512,
    "replicas": 1,
    "image": "nginx:latest",
    "repository": "owner/repo",
    "schedule": "*/5 * * * *",
}
"""Values that show what an argument takes; others follow from its type."""

_BY_TYPE: Mapping[str, Json] = {
    "string": "text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


def print_tool_help(tool: Tool) -> None:
    """Write what a tool does, what it takes and how it is called."""
    say(f"{tool.name}: {tool.description}")
    properties: Mapping[str, Schema] = tool.input_schema["properties"]
    required = set(tool.input_schema.get("required", ()))
    if properties:
        say("\nArguments:", style="bold")
    width = max(map(len, properties), default=0)
    for name in sorted(properties, key=lambda name: name not in required):
        say(f"  {name.ljust(width)}  {', '.join(_facts(properties[name], name in required))}")
        if properties[name].get("description"):
            say(f"  {' ' * width}  {properties[name]['description']}")
    say("\nExample:", style="bold")
    say(f"  {_example(tool)}")


def _facts(schema: Schema, is_required: bool) -> Iterator[str]:  # noqa: FBT001 - one of two facts
    yield _type_of(schema)
    yield "required" if is_required else "optional"
    if "enum" in schema:
        yield f"one of {', '.join(map(str, schema['enum']))}"
    for keyword, words in _LIMITS.items():
        if keyword in schema:
            yield words.format(schema[keyword])
    if "default" in schema:
        yield f"default {json.dumps(schema['default'])}"


def _type_of(schema: Schema) -> str:
    kind: str = schema["type"]
    items = schema.get("items", {}).get("type")
    return f"{kind} of {items}s" if kind == "array" and items else kind


def _example(tool: Tool) -> str:
    """A call with the required arguments, and one of the others where none is required."""
    properties: Mapping[str, Schema] = tool.input_schema["properties"]
    required = list(tool.input_schema.get("required", ()))
    names = [*required, *(name for name in _USUAL if name in properties)] or list(properties)[:1]
    words = ["createos-mcp", "call", tool.name]
    return " ".join([*words, *(_typed(name, properties[name]) for name in names)])


def _typed(name: str, schema: Schema) -> str:
    value = _EXAMPLES.get(name, schema.get("enum", [None])[0])
    if value is None:
        value = schema.get("default", _BY_TYPE[schema["type"]])
    if schema["type"] in {"array", "object"}:
        return f"{name}:='{json.dumps(_EXAMPLES.get(name, _sample(schema)))}'"
    return f"{name}={json.dumps(value) if isinstance(value, bool) else value}"


def _sample(schema: Schema) -> Json:
    """A value of a schema that shows its members."""
    if schema["type"] == "array":
        return [_sample(schema["items"])] if "items" in schema else []
    if schema["type"] == "object":
        members: Mapping[str, Schema] = schema.get("properties", {})
        shown = schema.get("required", ()) or list(members)[:1]
        return {name: _sample(members[name]) for name in shown}
    if "enum" in schema:
        return schema["enum"][0]
    return _BY_TYPE[schema["type"]]
