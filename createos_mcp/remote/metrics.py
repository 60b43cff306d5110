"""Metrics: what Prometheus reads, in a registry of their own."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from createos_mcp.remote.worker_directory import WorkerDirectory

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counts and times. No label comes from a caller: tools are those of the catalog.

    Args:
        shared: What this worker shares with the others.
    """

    def __init__(self, shared: WorkerDirectory | None = None) -> None:
        self._shared = shared
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "createos_mcp_calls",
            "Finished calls by tool and outcome: ok, or the kind of error.",
            ["tool", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "createos_mcp_call_seconds",
            "Duration of calls.",
            ["tool"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "createos_mcp_calls_in_flight",
            "Calls in progress.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self._upstream = Histogram(
            "createos_mcp_upstream_seconds",
            "Duration of requests to the platform, retries included, by outcome.",
            ["outcome"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._refusals = Counter(
            "createos_mcp_refused_requests",
            "HTTP requests rejected before they reached a tool, by reason.",
            ["reason"],
            registry=self._registry,
        )

    def count_start(self) -> None:
        """A call has begun."""
        self._in_flight.inc()

    def count_end(self, tool: str, outcome: str, seconds: float) -> None:
        """A call has ended."""
        self._in_flight.dec()
        self._calls.labels(tool, outcome).inc()
        self._seconds.labels(tool).observe(seconds)

    def count_upstream(self, outcome: str, seconds: float) -> None:
        """The platform has answered, or failed to."""
        self._upstream.labels(outcome).observe(seconds)

    def count_refusal(self, reason: str) -> None:
        """A request was refused."""
        self._refusals.labels(reason).inc()

    def render(self) -> bytes:
        """Everything in the text format of Prometheus, over all workers."""
        if self._shared is None:
            return generate_latest(self._registry)
        of_all = CollectorRegistry()
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            of_all, str(self._shared.figures)
        )
        return generate_latest(of_all)
