"""Reads an HTTP request into an operation's flat arguments."""

import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Arguments, Json, Schema
from createos_mcp.platform.errors import InvalidRequestError, TooLargeError

MAX_BODY_BYTES = 100 * 2**20

MAX_DIGITS = 18
"""Of a number in a query: SQLite's integers have 63 bits."""

# JSON allows half of a pair, and UTF-8 cannot hold it:
# https://www.rfc-editor.org/rfc/rfc8259#section-8.2
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_BOOLEANS = {"true": True, "false": False}


async def read_request_arguments(operation: Operation, request: Request) -> Arguments:
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
            arguments[argument] = _read_text(argument, properties[argument], value)
    for argument, wire_name in operation.http.local_query.items():
        if wire_name in request.query_params:
            arguments[argument] = request.query_params[wire_name]
    if operation.http.body == "json":
        arguments.update(_without_nulls(operation.input_schema, await _read_json_body(request)))
    if operation.http.body == "multipart":
        arguments.update(await _read_parts(request))
    return arguments


def _read_text(name: str, schema: Schema, text: str) -> Json:
    """A query value as its schema's type, or as it came for validation to report."""
    if schema["type"] == "integer":
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()):
            return text
        if len(digits) > MAX_DIGITS:
            raise InvalidRequestError(f"{name}: at most {MAX_DIGITS} digits are allowed.")
        return int(text)
    if schema["type"] == "boolean":
        return _BOOLEANS.get(text, text)
    return text


async def _read_json_body(request: Request) -> Mapping[str, Json]:
    content = await bound_body(request).body()
    try:
        text = content.decode()
        body = json.loads(text or "{}", parse_constant=_refuse_number, parse_float=_finite)
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The body is not JSON: {_reason(error)}.") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("The body is not a JSON object.")
    return body


def _refuse_number(text: str) -> NoReturn:
    """JSON has neither NaN nor an infinity, https://www.rfc-editor.org/rfc/rfc8259#section-6."""
    raise ValueError(f"{text} is not a valid number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _reason(error: Exception) -> str:
    """Python's own sentence, but for half of a pair, which it would repeat."""
    if isinstance(error, UnicodeEncodeError):
        return r"an escape such as \ud83d is half of a surrogate pair; send both halves"
    return str(error)


def bound_body(request: Request) -> Request:
    """The same request; reading more of its body than the limit raises TooLargeError."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise TooLargeError(MAX_BODY_BYTES)
        return message

    return Request(request.scope, receive)


async def _read_parts(request: Request) -> Arguments:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("The body must be multipart/form-data with one part.")
    parts: Arguments = {}
    try:
        async with bound_body(request).form(max_files=1, max_fields=1) as form:
            for name, part in form.multi_items():
                # The sender chooses the charset of names; some decode to halves of characters.
                name.encode()
                parts[name] = await part.read() if isinstance(part, UploadFile) else part.encode()
    except HTTPException as error:
        raise InvalidRequestError(f"The multipart body cannot be read: {error.detail}.") from error
    except UnicodeError as error:
        raise InvalidRequestError("The names of the multipart parts are not valid text.") from error
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
