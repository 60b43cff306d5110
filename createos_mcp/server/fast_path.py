"""The fast path: plain calls and kept lists over stdio, without the SDK's session in between."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import mcp_types

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.values import Json
from createos_mcp.server.kept_lists import KeptLists, ListRequest
from createos_mcp.server.ordinary_requests import ENVELOPE, MODERN_VERSION, VERSION
from createos_mcp.server.plain_calls import PlainCall, PlainCalls, PlainContext

_logger = logging.getLogger(__name__)

_CANCELLED = "notifications/cancelled"
_CANCEL = f'"{_CANCELLED}"'.encode()
_ANY_ID = b'"id"'
_MOST_LISTING = 64
_ANSWERS = mcp_types.JSONRPCResponse | mcp_types.JSONRPCError


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """A call that was taken, and what ends it."""

    call: PlainCall
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class FastPath:
    """Takes calls out of the stream of lines, and answers them.

    A session's protocol version is that of its first request, which the SDK answers; only then,
    and only for calls of that version, does anything go this way.
    """

    def __init__(self, plain: PlainCalls, lists: KeptLists) -> None:
        self._plain = plain
        self._lists = lists
        self._listing: dict[str | int, ListRequest] = {}
        self._running: dict[str, _Running] = {}
        self._envelope: Mapping[str, Json] | None = None
        self._first: tuple[Json, Mapping[str, Json] | None] | None = None
        self._is_open = False

    def take(self, line: bytes) -> PlainCall | None:
        """The call on a line, where it is a plain one; None leaves the line to the SDK.

        The caller has to `answer` a call that it took.
        """
        if not self._is_open:
            self._watch_first(line)
            return None
        call = self._plain.read(line)
        if call is None or call.envelope != self._envelope or str(call.id) in self._running:
            return None
        # From now on it can be cancelled, also by the next line of the same piece.
        self._running[str(call.id)] = _Running(call=call)
        return call

    def list_line(self, line: bytes) -> bytes | None:
        """The answer to a line that asks for a list, where it is kept."""
        request = self._lists.read(line) if self._is_open else None
        if request is None or request.envelope != self._envelope:
            return None
        kept = self._lists.find(request)
        if kept is None and len(self._listing) < _MOST_LISTING:
            self._listing[request.id] = request
        return kept

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

    def note_answer(self, answer: mcp_types.JSONRPCMessage) -> None:
        """Open the path once the SDK has answered the first request without an error.

        Its answers to requests for lists are kept.
        """
        if self._listing and isinstance(answer, _ANSWERS):
            asked = self._listing.pop(answer.id, None) if answer.id is not None else None
            if asked is not None and isinstance(answer, mcp_types.JSONRPCResponse):
                self._lists.keep(asked, answer.result)
        if self._is_open or self._first is None:
            return
        first_id, envelope = self._first
        if getattr(answer, "id", None) == first_id:
            self._is_open = isinstance(answer, mcp_types.JSONRPCResponse)
            self._envelope = envelope
            self._first = None

    async def answer(self, call: PlainCall) -> bytes | None:
        """The answer to a call as a line; None where it was cancelled. Raises nothing."""
        running = self._running[str(call.id)]
        try:
            with running.scope:
                line = await self._plain.answer(call, PlainContext())
                # What was done already when it was cancelled is not told any more.
                return None if running.scope.cancel_called else line
        except Exception as error:  # noqa: BLE001 - one call must not end the session of all
            name, kind = call.operation.name, type(error).__name__
            # An exception's text may hold what the call carried.
            _logger.error("%s failed unexpectedly: %s", name, kind)  # noqa: TRY400
            return _error_line(call.id, mcp_types.INTERNAL_ERROR, "Internal server error")
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
            _error_line(running.call.id, mcp_types.CONNECTION_CLOSED, "Connection closed")
            for running in self._running.values()
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


def _envelope_of(meta: Json) -> Mapping[str, Json] | None:
    """What each request of a modern client carries; None for others, and for more than that."""
    if not isinstance(meta, dict) or meta.get(VERSION) != MODERN_VERSION:
        return None
    return meta if meta.keys() <= ENVELOPE else None


def _error_line(call_id: str | int, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return compact({"jsonrpc": "2.0", "id": call_id, "error": error}).encode()
