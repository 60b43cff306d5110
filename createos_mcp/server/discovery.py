"""Discovery: three tools by which a model finds and calls those that it has not been shown."""

from collections.abc import Mapping, Sequence

from createos_mcp.contract.operations import Absence, Annotations, Tool
from createos_mcp.contract.values import Json, Schema
from createos_mcp.server.absences import find_absence
from createos_mcp.server.search import ToolIndex
from createos_mcp.server.toolsets import Choice

GROUP = "discovery"

_FOUND = 5
_MOST = 20

_READING = Annotations(read_only=True, destructive=False, idempotent=True, open_world=False)
_READING_BEYOND = Annotations(read_only=True, destructive=False, idempotent=True, open_world=True)
_ANYTHING = Annotations(read_only=False, destructive=True, idempotent=False, open_world=True)


def _object_schema_of(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


NOT_FOUND = "No tool was found by these words; say what to do in other ones."

NONE_DOES = "No tool does that; the nearest follow."
MAYBE_NONE = "If none of these is meant, no tool does it."

_NAME: Schema = {"type": "string", "description": "A tool's name"}

SEARCH = Tool(
    name="SearchTools",
    title="Search tools",
    group=GROUP,
    description="Find tools for a task by plain words; there are more than are listed.",
    annotations=_READING,
    input_schema=_object_schema_of(
        {
            "query": {"type": "string", "description": "Such as roll back production"},
            "limit": {"type": "integer", "default": _FOUND, "minimum": 1, "maximum": _MOST},
        },
        "query",
    ),
    output_schema={
        "type": "object",
        "properties": {"note": {"type": "string"}, "items": {"type": "array"}},
    },
)

DESCRIBE = Tool(
    name="DescribeTool",
    title="Describe a tool",
    group=GROUP,
    description="Read the arguments that a tool takes, before you call it with CallTool.",
    annotations=_READING,
    input_schema=_object_schema_of({"name": _NAME}, "name"),
    output_schema={"type": "object", "properties": {"inputSchema": {"type": "object"}}},
)

CALL = Tool(
    name="CallTool",
    title="Call a tool",
    group=GROUP,
    description="Call a tool that SearchTools found.",
    annotations=_ANYTHING,
    input_schema=_object_schema_of(
        {
            "name": _NAME,
            "arguments": {"type": "object", "description": "As DescribeTool says"},
        },
        "name",
    ),
    output_schema={"type": "object", "properties": {}},
)

CALL_READING = Tool(
    name=CALL.name,
    title=CALL.title,
    group=GROUP,
    description=CALL.description,
    annotations=_READING_BEYOND,
    input_schema=CALL.input_schema,
    output_schema=CALL.output_schema,
)
"""The same where only tools that read are reached."""


def discovery_tools(choice: Choice) -> list[Tool]:
    """The three as this caller sees them; none where a search would find nothing new."""
    if not choice.has_search:
        return []
    return [CALL_READING if choice.read_only else CALL, DESCRIBE, SEARCH]


def find_tools(
    index: ToolIndex, choice: Choice, absences: Sequence[Absence], arguments: Mapping[str, Json]
) -> Json:
    """Answer a search: `[{"name", "title", "description", "arguments"}]`, the best one first.

    What no tool does is said in `note`, with the tools of the nearest way.
    """
    query, limit = arguments["query"], arguments.get("limit", _FOUND)
    ranked = index.search(query, among=choice.shown.keys(), limit=limit)
    items = [_tool_summary(choice.shown[name]) for name in ranked if name is not None]
    if not ranked:
        return {"note": NOT_FOUND, "items": []}
    if None not in ranked:
        return items
    absence = find_absence(query, absences)
    if ranked[0] is not None:
        return {"note": MAYBE_NONE, "items": items}
    if absence is None:
        return {"note": NONE_DOES, "items": items}
    near = [_tool_summary(choice.shown[one]) for one in absence.nearest if one in choice.shown]
    return {"note": f"No tool does that ({absence.topic}). {absence.instead}", "items": near}


def describe_tool(tool: Tool) -> Json:
    """Answer with everything that a list of tools says about one."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "readOnly": tool.annotations.read_only,
        "destructive": tool.annotations.destructive,
        "inputSchema": tool.input_schema,
    }


def _tool_summary(tool: Tool) -> Json:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "arguments": ", ".join(_arguments(tool.input_schema)),
    }


def _arguments(schema: Schema) -> list[str]:
    """`project_id` where it is needed, `limit?` where it is not."""
    required = schema.get("required", ())
    return [name if name in required else f"{name}?" for name in schema["properties"]]
