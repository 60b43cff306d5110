"""Answers: the schema of an envelope's `data`, from what the operation's tool answers.

A tool's answer is always an object; `data` is what it is made of: `items` stands for a list,
`items` with `pagination` for a page, a lone `message` for a sentence and a `log` for its text.
"""

from collections.abc import Mapping

from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json, Schema

_LISTED_AS: Mapping[str, str] = {
    "ListPublishedProjectTemplates": "templates",
    "ListMyProjectTemplates": "templates",
    "ListProjectTemplatePurchases": "purchases",
}
"""The member of a page that holds the list, where it is not `data`."""

_WRAPPED: Mapping[str, str] = {"ListProjectTemplateRejections": "rejections"}
"""Lists that are no pages, and stand in an object all the same."""

_CLOUD_ONLY: Mapping[str, frozenset[str]] = {
    "GetProjectTransferUri": frozenset({"frontendUri"}),
}
"""Members that only the cloud sends: here is no page that takes a project over."""

_ANSWERS_AS: Mapping[str, str] = {"RetriggerDeployment": "GetDeployment"}
"""Operations that answer with a resource where the contract has a sentence or a resource."""

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}

_BUILD_LINE: Schema = {
    "type": "object",
    "properties": {
        "deploymentId": _TEXT,
        "lineNumber": _NUMBER,
        "stage": _TEXT,
        "log": _TEXT,
        "ts": _TEXT,
        "createdAt": _TEXT,
    },
    "required": ["deploymentId", "lineNumber", "stage", "log", "ts", "createdAt"],
}

_LOGS: Mapping[str, Schema] = {"GetBuildLogs": {"type": "array", "items": _BUILD_LINE}}
"""Logs that are lists of lines; the others are one text."""


def response_data_schema(operation: Operation, operations: Mapping[str, Operation]) -> Schema:
    """The JSON Schema of `data` in a successful answer; every member it names is there.

    Args:
        operation: Whose answer that is.
        operations: All of them, by name.
    """
    named = operations[_ANSWERS_AS.get(operation.name, operation.name)]
    members = named.output_schema["properties"]
    if operation.answer == "log":
        return _LOGS.get(operation.name, _TEXT)
    if "items" in members:
        return _list_schema(operation.name, members)
    if members.keys() == {"message"}:
        return _TEXT
    absent = _CLOUD_ONLY.get(operation.name, frozenset())
    shown = {name: schema for name, schema in members.items() if name not in absent}
    return _complete({**named.output_schema, "properties": shown})


def _list_schema(name: str, members: Mapping[str, Json]) -> Schema:
    if "pagination" in members:
        renamed = {_LISTED_AS.get(name, "data"): members["items"]}
        return _object_schema({**renamed, "pagination": members["pagination"]})
    if name in _WRAPPED:
        return _object_schema({_WRAPPED[name]: members["items"]})
    return _complete(members["items"])


def _object_schema(properties: Mapping[str, Json]) -> Schema:
    return _complete({"type": "object", "properties": properties})


def _complete(schema: Schema) -> Schema:
    """The same schema with all members required: clients of the cloud may not count on them."""
    if "properties" in schema:
        members = {name: _complete(member) for name, member in schema["properties"].items()}
        return {**schema, "properties": members, "required": list(members)}
    if "items" in schema:
        return {**schema, "items": _complete(schema["items"])}
    return schema
