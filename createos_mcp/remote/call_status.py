"""Outcomes: how a call ended, in one word for logs and metrics."""

import re

from createos_mcp.contract.errors import ApiError, CallError

OK = "ok"
FAULT = "fault"
CANCELLED = "cancelled"
PROTOCOL_ERROR = "protocol_error"
TOOL_ERROR = "tool_error"
"""A tool said that it failed, and not why."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def outcome_of(error: Exception) -> str:
    """`http_404` for an answer of the platform, `timed_out` for a TimedOutError, else `fault`."""
    if isinstance(error, ApiError):
        return f"http_{error.status}"
    if isinstance(error, CallError):
        return _HUMP.sub("_", type(error).__name__.removesuffix("Error")).lower()
    return FAULT
