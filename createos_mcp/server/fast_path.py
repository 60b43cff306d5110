"""The fast path: plain calls and lists over stdio, without the SDK's session in between."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.values import Json
from createos_mcp.server.lists import Lists
from createos_mcp.server.ordinary_requests import (
    CAPABILITIES,
    ENVELOPE,
    MODERN_VERSION,
    VERSION,
)
from createos_mcp.server.plain_calls import PlainCall, PlainCalls

_logger = logging.getLogger(__name__)

_CANCELLED = "notifications/cancelled"
_CANCEL = f'"{_CANCELLED}"'.encode()
_ANY_ID = b'"id"'
_INITIALIZED = "notifications/initialized"

_INTERNAL_ERROR, _CONNECTION_CLOSED = -32603, -32000
"""Of JSON-RPC, and of the SDK; this is the way around it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """A call that was taken, and what ends it."""

    call: PlainCall
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opening:
    """The first request of a session, which says what its client is."""

    id: Json
    capabilities: Json
    envelope: Mapping[str, Json] | None
    """What each request of a modern client carries."""


class FastPath:
    """Takes calls out of the stream of lines, and answers them.

    A session's protocol version is that of its first request. Once that is answered, calls of
    that version go this way, and no others.
    """

    def __init__(self, plain: PlainCalls, lists: Lists) -> None:
        self._plain = plain
        self._lists = lists
        self._running: dict[str, _Running] = {}
        self._opening: _Opening | None = None
        self._is_open = False

    def open(self, line: bytes) -> None:
        """Open the path, with a first request that was answered already."""
        self._opening = _read_opening(line)
        self._is_open = self._opening is not None

    def note_answer(self, answered: Json, *, is_error: bool) -> None:
        """Open the path once the SDK has answered the first request without an error."""
        if not self._is_open and self._opening is not None and self._opening.id == answered:
            self._is_open = not is_error
            self._opening = None if is_error else self._opening

    def take(self, line: bytes) -> PlainCall | None:
        """The call on a line, where it is a plain one; None leaves the line to the SDK.

        The caller has to `answer` a call that it took.
        """
        if not self._is_open:
            if self._opening is None and _ANY_ID in line:
                self._opening = _read_opening(line)
            return None
        call = self._plain.read(line)
        if call is None or not self._is_theirs(call.envelope) or str(call.id) in self._running:
            return None
        # From now on it can be cancelled, also by the next line of the same piece.
        self._running[str(call.id)] = _Running(call=call)
        return call

    def list_line(self, line: bytes) -> bytes | None:
        """The answer to a line that asks for a list."""
        request = self._lists.read(line) if self._is_open else None
        if request is None or self._opening is None or not self._is_theirs(request.envelope):
            return None
        return self._lists.answer(request, self._opening.capabilities)

    def _is_theirs(self, envelope: Json) -> bool:
        return self._opening is not None and envelope == self._opening.envelope

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
        running = self._running.get(str(wanted)) if type(wanted) in {str, int} else None
        if running is None or not is_notice:
            return False
        running.scope.cancel()
        return True

    async def answer(self, call: PlainCall) -> bytes | None:
        """The answer to a call as a line; None where it was cancelled. Raises nothing."""
        running = self._running[str(call.id)]
        try:
            with running.scope:
                line = await self._plain.answer(call)
                # What was done already when it was cancelled is not told any more.
                return None if running.scope.cancel_called else line
        except Exception as error:  # noqa: BLE001 - one call must not end the session of all
            name, kind = call.operation.name, type(error).__name__
            # An exception's text may hold what the call carried.
            _logger.error("%s failed unexpectedly: %s", name, kind)  # noqa: TRY400
            return _error_line(call.id, _INTERNAL_ERROR, "Internal server error")
        finally:
            del self._running[str(call.id)]
        return None

    def interrupt(self) -> list[bytes]:
        """End the calls under way, since the client is gone, and tell what they are told.

        The SDK tells its own the same.
        """
        for running in self._running.values():
            running.scope.cancel()
        return [
            _error_line(running.call.id, _CONNECTION_CLOSED, "Connection closed")
            for running in self._running.values()
        ]


def is_initialized(line: bytes) -> bool:
    """Whether a line is the notice by which a client ends its greeting, which nobody answers."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message in (
        {"jsonrpc": "2.0", "method": _INITIALIZED},
        {"jsonrpc": "2.0", "method": _INITIALIZED, "params": {}},
    )


def _read_opening(line: bytes) -> _Opening | None:
    try:
        message = json.loads(line)
        params = message.get("params") or {}
        if message["method"] == "initialize":
            return _Opening(
                id=message["id"], capabilities=params.get("capabilities"), envelope=None
            )
        envelope = _envelope_of(params.get("_meta"))
        if envelope is None:
            return None
        return _Opening(
            id=message["id"], capabilities=envelope.get(CAPABILITIES), envelope=envelope
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _envelope_of(meta: Json) -> Mapping[str, Json] | None:
    """What each request of a modern client carries; None for others, and for more than that."""
    if not isinstance(meta, dict) or meta.get(VERSION) != MODERN_VERSION:
        return None
    return meta if meta.keys() <= ENVELOPE else None


def _error_line(call_id: str | int, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return compact({"jsonrpc": "2.0", "id": call_id, "error": error}).encode()
