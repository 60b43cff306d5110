"""Binding: an operation and its arguments as a request, plain data."""

import base64
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.http import BodyKind, Endpoint, Part, Request
from createos_mcp.contract.operations import Operation, Problem
from createos_mcp.contract.values import Arguments, Json

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
# A segment with one of these would be another path:
# https://www.rfc-editor.org/rfc/rfc3986#section-3.3
_SEPARATOR = re.compile(r"[/\\]")
_UPLOAD_NAME = "upload.zip"
_UPLOAD_TYPE = "application/zip"


def bind(operation: Operation, arguments: Arguments) -> Request:
    """Put every argument in its place: path, query or body.

    Args:
        operation: Tells the place of each argument.
        arguments: Flat and valid, `{"project_id": "3f0c...", "limit": 20}`.

    Raises:
        InvalidArgumentsError: An id is empty or climbs out of its segment, an upload is not
            base64, or an argument has no place.
    """
    http = operation.http
    query = {**http.query, **http.local_query}
    placed = {*_PLACEHOLDER.findall(http.path), *query, *http.unsent}
    members = {name: value for name, value in arguments.items() if name not in placed}
    document, parts = _BODIES[http.body](http, members)
    return Request(
        method=http.method,
        path=_PLACEHOLDER.sub(lambda match: _segment(match[1], arguments.get(match[1])), http.path),
        query=_query(query, arguments),
        json=document,
        parts=parts,
    )


def _segment(argument: str, value: Json) -> str:
    text = "" if value is None else _wire_text(value)
    if not text.strip():
        raise invalid_argument(argument, "an ID is required here, and it is empty")
    # Percent-encoding does not disarm dots: `%2e%2e` climbs like `..`
    # (https://url.spec.whatwg.org/#double-dot-path-segment).
    if any(piece in {".", ".."} for piece in _SEPARATOR.split(text)):
        raise invalid_argument(argument, "an ID cannot be or contain a `.` or `..` segment")
    return quote(text, safe="", errors="replace")


def _query(wire_names: Mapping[str, str], arguments: Arguments) -> tuple[tuple[str, str], ...]:
    return tuple(
        (wire_name, _wire_text(arguments[name]))
        for name, wire_name in wire_names.items()
        if arguments.get(name) is not None
    )


def _wire_text(value: Json) -> str:
    """A scalar as the API spells it; a list is comma separated (`categories`)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_wire_text(item) for item in value)
    return str(value)


def _no_body(_: Endpoint, members: Arguments) -> tuple[None, tuple[Part, ...]]:
    if members:
        raise invalid_argument(next(iter(members)), "this operation has no such argument")
    return None, ()


def _json_body(http: Endpoint, members: Arguments) -> tuple[Json, tuple[Part, ...]]:
    return {**dict.fromkeys(http.nulls), **members}, ()


def _multipart_body(_: Endpoint, members: Arguments) -> tuple[None, tuple[Part, ...]]:
    return None, tuple(
        Part(
            name=name, filename=_UPLOAD_NAME, content_type=_UPLOAD_TYPE, content=_bytes(name, text)
        )
        for name, text in members.items()
    )


def _bytes(argument: str, text: Json) -> bytes:
    if not isinstance(text, str):
        raise invalid_argument(argument, "expected the file's bytes as a base64 string")
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        reason = f"not base64 ({error}); encode the file's bytes once, without a data: prefix"
        raise invalid_argument(argument, reason) from error
    if not content:
        raise invalid_argument(argument, "the file is empty; send the base64 of its bytes")
    return content


def invalid_argument(argument: str, message: str) -> InvalidArgumentsError:
    return InvalidArgumentsError([Problem(path=argument, message=message)])


_BODIES: Mapping[
    BodyKind, Callable[[Endpoint, Arguments], tuple[Json | None, tuple[Part, ...]]]
] = {"none": _no_body, "json": _json_body, "multipart": _multipart_body}
"""How the arguments that are neither path nor query are sent."""
