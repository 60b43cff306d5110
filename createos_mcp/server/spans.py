"""Spans: whether anybody collects those that the SDK makes for each message."""

import sys


def are_collected() -> bool:
    """Whether a message has to go the SDK's way, which makes its span."""
    # Whoever collects spans has imported it; nobody else has to.
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    )
