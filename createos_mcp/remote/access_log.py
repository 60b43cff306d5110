"""The log of a server: one JSON object in a line, and one line for each call."""

import json
import logging
import sys
from datetime import UTC, datetime

from opentelemetry import trace
from typing_extensions import override

from createos_mcp.remote.auth.callers import Caller

CALLS = "createos_mcp.calls"

_FIELDS = "fields"
"""The attribute of a record that carries what a line says beside its message."""

_ENCODER = json.JSONEncoder(ensure_ascii=False)

_logger = logging.getLogger(CALLS)


class JsonFormatter(logging.Formatter):
    """Writes a record as `{"time": ..., "level": ..., "logger": ..., "message": ...}`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


def log_json(level: str) -> None:
    """Send the log to stderr as JSON: lines of this level, and every call."""
    # No line says where in the code, in which thread or process it was written; finding that out
    # costs more than the rest (https://docs.python.org/3/howto/logging.html#optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    _logger.setLevel(logging.INFO)


def log_call(caller: Caller | None, tool: str, outcome: str, seconds: float) -> None:
    """Write the line of one call; it holds no argument and no secret."""
    span = trace.get_current_span().get_span_context()
    fields = {
        "tool": tool,
        "status": outcome,
        "duration_ms": round(seconds * 1000, 1),
        "key": caller.fingerprint if caller else None,
        **({"trace_id": trace.format_trace_id(span.trace_id)} if span.is_valid else {}),
    }
    _logger.info("call", extra={_FIELDS: fields})
