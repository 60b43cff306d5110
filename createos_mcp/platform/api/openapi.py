"""The API's OpenAPI document, generated from the catalog."""

import re
from collections.abc import Mapping
from importlib.metadata import version

from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json
from createos_mcp.platform.api.response_schemas import response_data_schema
from createos_mcp.platform.errors import UnauthorizedError

OPENAPI_VERSION = "3.1.0"

_PATH_PARAMETER = re.compile(r"{([^{}]+)}")

_FAILURE = {
    "type": "object",
    "properties": {"status": {"const": "fail"}, "data": {"type": "string"}},
    "required": ["status", "data"],
    "additionalProperties": False,
}

_DESCRIPTION = (
    "The REST API of CreateOS as this machine serves it. A response is "
    '`{"status": "success", "data": ...}` or `{"status": "fail", "data": "what is wrong"}`.'
)

_ASKED_OF_ALL = {400: "an argument is not acceptable", 401: "no credentials, or bad ones"}
"""Also where the cloud answers everybody."""

_TOO_LARGE = {413: "the body is too large"}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "how to authenticate", "schema": {"type": "string"}}
}


def describe_api(catalog: Catalog) -> Mapping[str, Json]:
    """The document for every operation.

    See https://spec.openapis.org/oas/v3.1.0.
    """
    paths: dict[str, dict[str, dict[str, Json]]] = {}
    for operation in catalog.operations.values():
        methods = paths.setdefault(operation.http.path, {})
        methods[operation.http.method.lower()] = _operation(operation, catalog)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "CreateOS",
            "version": version("createos-mcp"),
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Failure": _FAILURE},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
        },
        "security": [{"key": []}],
    }


def _operation(operation: Operation, catalog: Catalog) -> dict[str, Json]:
    described: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.title,
        "description": operation.description,
        "tags": [operation.group],
        "parameters": _parameters(operation),
        "responses": _responses(operation, catalog),
    }
    body = _body(operation)
    if body is not None:
        described["requestBody"] = body
    return described


def _parameters(operation: Operation) -> list[Json]:
    properties = operation.input_schema["properties"]
    required = operation.input_schema.get("required", ())
    path = [
        {"name": name, "in": "path", "required": True, "schema": properties[name]}
        for name in _PATH_PARAMETER.findall(operation.http.path)
    ]
    query = [
        {"name": wire, "in": "query", "required": name in required, "schema": properties[name]}
        for name, wire in operation.http.query.items()
    ]
    options = [
        {"name": wire, "in": "query", "required": False, "schema": {"type": "string"}}
        for wire in operation.http.local_query.values()
    ]
    return [*path, *query, *options]


def _body(operation: Operation) -> Json:
    if operation.http.body == "none":
        return None
    schema = _body_schema(operation)
    if operation.http.body == "multipart":
        parts = {
            name: {"type": "string", "contentMediaType": "application/octet-stream"}
            for name in schema["properties"]
        }
        content = {"multipart/form-data": {"schema": {**schema, "properties": parts}}}
    else:
        content = {"application/json": {"schema": schema}}
    return {"required": bool(schema["required"]), "content": content}


def _body_schema(operation: Operation) -> dict[str, Json]:
    elsewhere = {*_PATH_PARAMETER.findall(operation.http.path), *operation.http.query}
    schema = operation.input_schema
    return {
        "type": "object",
        "properties": {k: v for k, v in schema["properties"].items() if k not in elsewhere},
        "required": [name for name in schema.get("required", ()) if name not in elsewhere],
        "additionalProperties": False,
    }


def _responses(operation: Operation, catalog: Catalog) -> dict[str, Json]:
    success = {
        "type": "object",
        "properties": {
            "status": {"const": "success"},
            "data": response_data_schema(operation, catalog.operations),
        },
        "required": ["status", "data"],
        "additionalProperties": False,
    }
    answer = {"description": "done", "content": {"application/json": {"schema": success}}}
    failures = _failures(operation)
    return {
        str(operation.http.success): answer,
        **{str(status): _failure(status, failures[status]) for status in sorted(failures)},
    }


def _failures(operation: Operation) -> dict[int, str]:
    """What each failure status means: those of the contract, and those of this platform."""
    found = {**_ASKED_OF_ALL, **operation.http.errors}
    if operation.http.empty_on is not None:
        found[operation.http.empty_on] = "the list is empty"
    if operation.http.body != "none":
        found |= _TOO_LARGE
    return found


def _failure(status: int, meaning: str) -> dict[str, Json]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    described: dict[str, Json] = {"description": meaning, "content": content}
    if status == UnauthorizedError.status:
        described["headers"] = _CHALLENGE
    return described
