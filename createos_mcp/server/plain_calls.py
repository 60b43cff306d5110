"""Plain calls: those that need nothing but an answer, made without the SDK's session around them.

No question to the user, no progress, no task, no secret to give out. Everything else goes the
SDK's way, and so does whatever is in doubt. Both ways share the pipeline of calls, and their
answers are the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.answers.results import ToolResult
from createos_mcp.answers.truncation import compact
from createos_mcp.calls.client_requests import PlainRequest
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json, Schema
from createos_mcp.server import spans
from createos_mcp.server.identity import server_info
from createos_mcp.server.offer import Offer
from createos_mcp.server.ordinary_requests import SERVER, read_request

_CALL = b'"tools/call"'

LONGEST_BYTES = 64 * 1024
"""A longer message is read once, by the SDK; what it costs there does not count."""

_PARAMS = frozenset({"name", "arguments", "_meta"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCall:
    """A call that was read from a message."""

    id: str | int
    name: str
    """What the client calls the tool."""
    operation: Operation
    arguments: Mapping[str, Json]
    envelope: Json
    """The `_meta` of the request: what each one of a modern client carries, None for others."""


class PlainCalls:
    """Reads plain calls out of messages, and makes them.

    Args:
        offer: Tells which operation a call is, and makes it.
        is_remote: Whether the clients sit at other machines.
    """

    def __init__(self, offer: Offer, *, is_remote: bool = False) -> None:
        self._offer = offer
        self._client = PlainRequest(is_remote=is_remote)
        stamp = compact({SERVER: server_info()})
        self._modern_tail = f',"resultType":"complete","_meta":{stamp}'

    def read(self, raw: bytes) -> PlainCall | None:
        """The call in a message, where it is a plain one; None leaves the message to the SDK."""
        if len(raw) > LONGEST_BYTES or _CALL not in raw or spans.are_collected():
            return None
        request = read_request(raw)
        if request is None or request.method != "tools/call":
            return None
        if not request.params.keys() <= _PARAMS:
            return None
        name, arguments = request.params.get("name"), request.params.get("arguments")
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        operation = self._offer.find_plain(name)
        if operation is None or not _is_plain(operation, arguments):
            return None
        return PlainCall(
            id=request.id,
            name=name,
            operation=operation,
            arguments=arguments,
            envelope=request.params.get("_meta"),
        )

    async def answer(self, call: PlainCall) -> bytes:
        """The answer to a call, as a message."""
        result, _ = await self._offer.calls.attempt(
            call.operation, call.arguments, self._client, pinned={}
        )
        return self._message(call, result)

    def _message(self, call: PlainCall, result: ToolResult) -> bytes:
        text = result.text
        # Data is its own text; a log is text of its own.
        is_data = call.operation.answer == "data" and not result.is_error
        held = text if is_data else "" if result.is_error else compact(result.structured)
        members = f',"structuredContent":{held}' if held else ""
        tail = self._modern_tail if call.envelope is not None else ""
        failed = "true" if result.is_error else "false"
        body = (
            f'{{"content":[{{"type":"text","text":{json.dumps(text, ensure_ascii=False)}}}]'
            f'{members},"isError":{failed}{tail}}}'
        )
        return f'{{"jsonrpc":"2.0","id":{json.dumps(call.id)},"result":{body}}}'.encode()


def _is_plain(operation: Operation, arguments: Mapping[str, Json]) -> bool:
    """Whether a call never needs more than an answer, with arguments under their own names."""
    if operation.issues or operation.http.slow:
        return False
    asked = operation.confirmation
    if asked is not None and (not asked.if_given or asked.if_given in arguments):
        return False
    known: Schema = operation.input_schema["properties"]
    return arguments.keys() <= known.keys()
