"""Tracing: OpenTelemetry spans of calls and of requests to the platform, sent over OTLP.

The SDK of MCP makes a span for each message; without an endpoint all of them cost next to nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace

from createos_mcp.contract.errors import SettingError
from createos_mcp.contract.http import Endpoint

_tracer = trace.get_tracer("createos_mcp")


@contextmanager
def exported(endpoint: str | None) -> Iterator[None]:
    """Send spans to this address as long as the block runs, and the last of them at its end.

    Raises:
        SettingError: The packages of the extra `otel` are not installed.
    """
    if endpoint is None:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - extra
    except ImportError:
        reason = "tracing needs an extra; install createos-mcp[otel]"
        raise SettingError("CREATEOS_SERVE_OTLP_ENDPOINT", reason) from None
    named = {"service.name": "createos-mcp", "service.version": version("createos-mcp")}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def upstream_span(endpoint: Endpoint) -> Iterator[trace.Span]:
    """The span of a request to the platform; its name holds the template of the path, no id."""
    around = trace.get_current_span()
    if not around.is_recording():
        yield around
        return
    with _tracer.start_as_current_span(
        f"{endpoint.method} {endpoint.path}",
        kind=trace.SpanKind.CLIENT,
        attributes={"http.request.method": endpoint.method, "url.template": endpoint.path},
        record_exception=False,
    ) as span:
        yield span
