"""The fast path: plain tool calls over stdio, answered without the SDK's session in between.

A call takes it when nothing of it needs a session: no question to the user, no progress, no task.
Everything else goes the SDK's way, and so does whatever is in doubt. Both ways share the pipeline
of calls, and their answers are the same.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types
from mcp.server import Server
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from opentelemetry import trace

from createos_mcp.answers.truncation import compact
from createos_mcp.calls.confirmation import ClientRequest
from createos_mcp.calls.pipeline import ToolPipeline
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json, Schema
from createos_mcp.server.messages import MAX_DEPTH

_logger = logging.getLogger(__name__)

_CALL = b'"tools/call"'
_CANCELLED = "notifications/cancelled"
_CANCEL = f'"{_CANCELLED}"'.encode()
_ANY_ID = b'"id"'

LONGEST_LINE_BYTES = 64 * 1024
"""A longer message is read once, by the SDK; what it costs there does not count."""

_SUSPECT = (b"NaN", b"Infinity", b"\\u", b"\xed")
"""What `messages` mends or refuses: numbers that JSON has not, halves of characters."""

_VERSION = "io.modelcontextprotocol/protocolVersion"
_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMS = frozenset({"name", "arguments", "_meta"})
_ENVELOPE = frozenset(
    {
        _VERSION,
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
    }
)
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"

FindTool = Callable[[str], Operation | None]
"""The operation of that name, where this client may call it and it is not pinned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainContext:
    """What a call on the fast path has of a request of the SDK's: nothing to ask through."""

    request: None = None
    session: None = None
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCall:
    """A call that the fast path has taken."""

    id: str | int
    operation: Operation
    arguments: Mapping[str, Json]
    is_modern: bool
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class FastPath:
    """Takes calls out of the stream of lines, and answers them.

    A session's protocol version is that of its first request, which the SDK answers; only then,
    and only for calls of that version, does anything go this way.

    Args:
        calls: Makes the calls.
        find: Tells which operation a call is.
        server: The same server as the SDK serves it.
    """

    def __init__(self, calls: ToolPipeline, find: FindTool, server: Server[Any]) -> None:
        self._calls = calls
        self._find = find
        self._running: dict[str, PlainCall] = {}
        self._envelope: Mapping[str, Json] | None = None
        self._first: tuple[Json, Mapping[str, Json] | None] | None = None
        self._is_open = False
        info = server.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)
        stamp = compact({_SERVER_INFO: info})
        self._modern_tail = f',"resultType":"complete","_meta":{stamp}'

    def take(self, line: bytes) -> PlainCall | None:
        """The call on a line, where it is a plain one; None leaves the line to the SDK.

        The caller has to `answer` a call that it took.
        """
        if not self._is_open:
            self._watch_first(line)
            return None
        if len(line) > LONGEST_LINE_BYTES or _CALL not in line or not line.startswith(b"{"):
            return None
        # Nothing is nested deeper than it has brackets.
        depth = line.count(b"[") + line.count(b"{")
        if depth > MAX_DEPTH or any(sign in line for sign in _SUSPECT):
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return self._read(message) if isinstance(message, dict) else None

    def cancel(self, line: bytes) -> bool:
        """Whether a line cancels a call on this path, which is then ended."""
        if not self._running or _CANCEL not in line:
            return False
        try:
            message = json.loads(line)
            wanted = message["params"]["requestId"]
            is_notice = message["method"] == _CANCELLED and "id" not in message
        except (ValueError, LookupError, TypeError, RecursionError):
            return False
        call = self._running.get(str(wanted)) if type(wanted) in {str, int} else None
        if call is None or not is_notice:
            return False
        call.scope.cancel()
        return True

    def note_answer(self, answer: mcp_types.JSONRPCMessage) -> None:
        """Open the path once the SDK has answered the first request without an error."""
        if self._is_open or self._first is None:
            return
        first_id, envelope = self._first
        if getattr(answer, "id", None) == first_id:
            self._is_open = isinstance(answer, mcp_types.JSONRPCResponse)
            self._envelope = envelope
            self._first = None

    async def answer(self, call: PlainCall) -> bytes | None:
        """The answer to a call as a line; None where it was cancelled. Raises nothing."""
        try:
            with call.scope:
                client = ClientRequest(context=PlainContext(), params=None)  # type: ignore[arg-type]
                result, _ = await self._calls.attempt(
                    call.operation, call.arguments, client, pinned={}
                )
                # What was done already when it was cancelled is not told any more.
                return None if call.scope.cancel_called else self._line(call, result)
        except Exception as error:  # noqa: BLE001 - one call must not end the session of all
            name, kind = call.operation.name, type(error).__name__
            # An exception's text may hold what the call carried.
            _logger.error("%s failed unexpectedly: %s", name, kind)  # noqa: TRY400
            return _error_line(call.id, mcp_types.INTERNAL_ERROR, "Internal server error")
        finally:
            if self._running.get(str(call.id)) is call:
                del self._running[str(call.id)]
        return None

    def interrupt(self) -> list[bytes]:
        """End the calls under way, since the client is gone, and tell what they are told.

        The SDK tells its own the same.
        """
        running = [*self._running.values()]
        for call in running:
            call.scope.cancel()
        return [
            _error_line(call.id, mcp_types.CONNECTION_CLOSED, "Connection closed")
            for call in running
        ]

    def _watch_first(self, line: bytes) -> None:
        if self._first is not None or _ANY_ID not in line:
            return
        try:
            message = json.loads(line)
            params = message.get("params") or {}
            is_legacy = message["method"] == "initialize"
            envelope = None if is_legacy else _envelope_of(params.get("_meta"))
            if envelope or is_legacy:
                self._first = message["id"], envelope
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return

    def _read(self, message: Mapping[str, Json]) -> PlainCall | None:
        params = message.get("params")
        given_id = message.get("id")
        if (
            message.keys() != _MEMBERS
            or message["jsonrpc"] != "2.0"
            or message["method"] != "tools/call"
            or isinstance(given_id, bool)
            or not isinstance(given_id, str | int)
            or str(given_id) in self._running
            or not isinstance(params, dict)
            or not params.keys() <= _PARAMS
        ):
            return None
        name, arguments, meta = params.get("name"), params.get("arguments"), params.get("_meta")
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        if meta != self._envelope:
            return None
        # Spans are the SDK's to make, where anybody collects them.
        if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return None
        operation = self._find(name)
        if operation is None or not _is_plain(operation, arguments):
            return None
        call = PlainCall(
            id=given_id,
            operation=operation,
            arguments=arguments,
            is_modern=self._envelope is not None,
        )
        # From now on it can be cancelled, also by the next line of the same piece.
        self._running[str(given_id)] = call
        return call

    def _line(self, call: PlainCall, result: mcp_types.CallToolResult) -> bytes:
        (part,) = result.content
        text: str = part.text  # type: ignore[union-attr]
        structured = result.structured_content
        # Data is its own text; a log and an error are text of their own.
        is_data = structured is not None and call.operation.answer == "data"
        held = text if is_data else compact(structured) if structured is not None else ""
        members = f',"structuredContent":{held}' if held else ""
        tail = self._modern_tail if call.is_modern else ""
        failed = "true" if result.is_error else "false"
        body = (
            f'{{"content":[{{"type":"text","text":{json.dumps(text, ensure_ascii=False)}}}]'
            f'{members},"isError":{failed}{tail}}}'
        )
        return f'{{"jsonrpc":"2.0","id":{json.dumps(call.id)},"result":{body}}}'.encode()


def _envelope_of(meta: Json) -> Mapping[str, Json] | None:
    """What each request of a modern client carries; None for others, and for more than that."""
    if not isinstance(meta, dict) or meta.get(_VERSION) not in MODERN_PROTOCOL_VERSIONS:
        return None
    return meta if meta.keys() <= _ENVELOPE else None


def _is_plain(operation: Operation, arguments: Mapping[str, Json]) -> bool:
    """Whether a call never needs more than an answer, with arguments under their own names."""
    if operation.issues or operation.http.slow:
        return False
    asked = operation.confirmation
    if asked is not None and (not asked.if_given or asked.if_given in arguments):
        return False
    known: Schema = operation.input_schema["properties"]
    return arguments.keys() <= known.keys()


def _error_line(call_id: str | int, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return compact({"jsonrpc": "2.0", "id": call_id, "error": error}).encode()
