"""The listener: takes connections, and at the end lets what is under way finish."""

import gc
import socket
import time
from collections.abc import Callable

import anyio
import uvicorn
from sse_starlette.sse import AppStatus
from typing_extensions import override

POLL_S = 0.05

COLLECT_AFTER = (3_000, 5, 3)
"""With 64 calls in flight Python's own 700 objects are reached within one of them, while nothing
of the others can be collected yet; measured, an eighth of a call's time goes into that. The older
objects are sessions that ended: looking at them more often keeps memory flat."""


class Listener(uvicorn.Server):
    """A server that at its end answers the calls in flight before it closes the streams.

    Args:
        config: Of uvicorn; its `timeout_graceful_shutdown` is the limit for that.
        stopping: Set when no new requests are taken.
        in_flight: How many calls are under way.
        on_ready: Told the address once connections are taken.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        stopping: anyio.Event,
        in_flight: Callable[[], int],
        on_ready: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._in_flight = in_flight
        self._on_ready = on_ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        # Otherwise a signal cuts the streams that answers of calls in flight are written to.
        AppStatus.enable_automatic_graceful_drain = False
        AppStatus.should_exit = False
        _settle_collector()
        await super().startup(sockets)
        if self.started:
            host, port, *_ = self.servers[0].sockets[0].getsockname()
            self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, wait for the calls, then close the streams."""
        self._stopping.set()
        for server in self.servers:
            server.close()
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        # A second signal ends the wait.
        while self._in_flight() and time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110
            await anyio.sleep(POLL_S)
        AppStatus.should_exit = True
        await super().shutdown(sockets)


def _settle_collector() -> None:
    """Leave what is loaded by now out of collections, and make them rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
