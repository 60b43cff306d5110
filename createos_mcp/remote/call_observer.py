"""Calls as a middleware of the MCP server: whose they are, how they end, how long they take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult
from starlette.requests import Request
from typing_extensions import override

from createos_mcp.contract.values import Json
from createos_mcp.remote.access_log import log_call
from createos_mcp.remote.auth.callers import CURRENT, Caller
from createos_mcp.remote.call_status import (
    CANCELLED,
    FAULT,
    OK,
    PROTOCOL_ERROR,
    TOOL_ERROR,
    outcome_of,
)
from createos_mcp.remote.errors import TooManyCallsError
from createos_mcp.remote.limits import Slots
from createos_mcp.remote.metrics import Metrics

UNKNOWN = "unknown"

Context: TypeAlias = ServerRequestContext[Any, Any]


@dataclass(kw_only=True, slots=True)
class CallRecord:
    """What is known of a call under way."""

    outcome: str = OK


_CALL: ContextVar[CallRecord] = ContextVar("call")


def note_failure(error: Exception) -> None:
    """Remember why the call of this task failed."""
    _CALL.get().outcome = outcome_of(error)


def caller_of(context: Context) -> Caller | None:
    """Who sent the HTTP request that carried this message."""
    request = context.request
    return getattr(request.state, "caller", None) if isinstance(request, Request) else None


class CallObserver(ServerMiddleware[Any]):
    """Gives each message its caller; counts, times and logs the calls of tools.

    Args:
        tool_of: The tool that a name or an alias stands for.
        metrics: Told of each call.
        slots: Limit for the calls of one caller.
    """

    def __init__(
        self, tool_of: Callable[[str], str | None], metrics: Metrics, slots: Slots
    ) -> None:
        self._tool_of = tool_of
        self._metrics = metrics
        self._slots = slots

    @override
    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Serve one message."""
        caller = caller_of(ctx)
        if caller is None:
            return await call_next(ctx)
        if ctx.method != "tools/call":
            token = CURRENT.set(caller)
            try:
                return await call_next(ctx)
            finally:
                CURRENT.reset(token)
        try:
            with self.observe(caller, (ctx.params or {}).get("name")) as call:
                result = await call_next(ctx)
                if call.outcome == OK and isinstance(result, CallToolResult) and result.is_error:
                    call.outcome = TOOL_ERROR
                return result
        except TooManyCallsError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error

    @contextmanager
    def observe(self, caller: Caller, name: Json) -> Iterator[CallRecord]:
        """Make the block a call of this caller's: counted, timed and logged.

        Args:
            caller: Whose call it is.
            name: What the caller calls the tool.

        Raises:
            TooManyCallsError: As many calls of this caller as may be are under way.
        """
        with self._slots.hold(caller.digest):
            tool = self._tool_of(name) or UNKNOWN if isinstance(name, str) else UNKNOWN
            call = CallRecord()
            current, noted = CURRENT.set(caller), _CALL.set(call)
            self._metrics.count_start()
            began = time.perf_counter()
            try:
                yield call
            except MCPError:
                call.outcome = PROTOCOL_ERROR
                raise
            except anyio.get_cancelled_exc_class():
                call.outcome = CANCELLED
                raise
            except Exception:
                call.outcome = FAULT
                raise
            finally:
                lasted_s = time.perf_counter() - began
                _CALL.reset(noted)
                CURRENT.reset(current)
                self._metrics.count_end(tool, call.outcome, lasted_s)
                log_call(caller, tool, call.outcome, lasted_s)
