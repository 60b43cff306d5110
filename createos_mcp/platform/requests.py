"""Reads an HTTP request into an operation's flat arguments."""

import json
from collections.abc import Mapping

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from createos_mcp.operations import Arguments, Json, Operation, Schema
from createos_mcp.platform.errors import InvalidRequestError, TooLargeError

MAX_BODY_BYTES = 100 * 2**20

_BOOLEANS = {"true": True, "false": False}


async def read_arguments(operation: Operation, request: Request) -> Arguments:
    """Path, query and body of a request, side by side, by the names of the tool's arguments.

    A multipart part comes as its bytes. Null counts as left out where an argument is optional.

    Raises:
        InvalidRequestError: The body is not what the operation takes.
        TooLargeError: The body is larger than the limit.
    """
    arguments: Arguments = dict(request.path_params)
    properties = operation.input_schema["properties"]
    for argument, wire_name in operation.http.query.items():
        if wire_name in request.query_params:
            value = request.query_params[wire_name]
            arguments[argument] = _read_text(properties[argument], value)
    if operation.http.body == "json":
        arguments.update(_without_nulls(operation.input_schema, await _read_json(request)))
    if operation.http.body == "multipart":
        arguments.update(await _read_parts(request))
    return arguments


def _read_text(schema: Schema, text: str) -> Json:
    """A query value as its schema's type, or as it came for validation to report."""
    if schema["type"] == "integer":
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdecimal() else text
    if schema["type"] == "boolean":
        return _BOOLEANS.get(text, text)
    return text


async def _read_json(request: Request) -> Mapping[str, Json]:
    content = await _read_body(request)
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("The body is not a JSON object.")
    return body


async def _read_body(request: Request) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise TooLargeError(MAX_BODY_BYTES)
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_parts(request: Request) -> Arguments:
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise TooLargeError(MAX_BODY_BYTES)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("The body must be multipart/form-data with one part.")
    parts: Arguments = {}
    try:
        async with request.form(max_files=1, max_fields=1) as form:
            for name, part in form.multi_items():
                parts[name] = await part.read() if isinstance(part, UploadFile) else part.encode()
    except HTTPException as error:
        raise InvalidRequestError(f"The multipart body cannot be read: {error.detail}.") from error
    return parts


def _without_nulls(schema: Schema, members: Mapping[str, Json]) -> dict[str, Json]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    kept = {}
    for name, value in members.items():
        if value is None and name in properties and name not in required:
            continue
        known = properties.get(name, {})
        nested = isinstance(value, dict) and "properties" in known
        kept[name] = _without_nulls(known, value) if nested else value
    return kept
