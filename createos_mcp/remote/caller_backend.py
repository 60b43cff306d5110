"""The backend of a server for many callers: each call with the credentials of its own request."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from createos_mcp.client.backend import Backend
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import ApiError, CallError
from createos_mcp.contract.http import Endpoint, Request, Stream
from createos_mcp.contract.values import Json
from createos_mcp.remote.auth.callers import CURRENT, Caller
from createos_mcp.remote.call_status import OK, outcome_of
from createos_mcp.remote.metrics import Metrics
from createos_mcp.remote.tracing import upstream_span

UNAUTHORIZED = 401


class CallerBackend(Backend):
    """Sends calls as their caller, and measures what the platform takes.

    Args:
        locate: Where the API is, with the server's own credentials if it shares them.
        metrics: Told of each request.
        offer_address: Answers a multipart request that came without its file.
        options: As of `Backend`.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[ApiTarget]],
        *,
        metrics: Metrics,
        offer_address: Callable[[Request, Caller], Json],
        **options: Any,  # noqa: ANN401 - those of Backend
    ) -> None:
        super().__init__(locate, **options)
        self._metrics = metrics
        self.on_refused: Callable[[str], None] = lambda _digest: None
        """Told the digest of a secret that the platform has just refused."""
        self._offer_address = offer_address

    @property
    @override
    def secrets(self) -> tuple[str, ...]:
        """The server's own, if it shares them, and those of the request being served."""
        caller = CURRENT.get(None)
        own = caller.credentials.secrets if caller and caller.credentials else ()
        return (*super().secrets, *own)

    @override
    async def send(
        self, request: Request, endpoint: Endpoint, credentials: Credentials | None = None
    ) -> Json:
        """Send a request, with the given credentials or those of the request being served."""
        if credentials is not None:
            with self._measured(endpoint):
                return await super().send(request, endpoint, credentials)
        caller = CURRENT.get()
        if endpoint.body == "multipart" and not request.parts:
            return self._offer_address(request, caller)
        try:
            with self._measured(endpoint):
                return await super().send(request, endpoint, caller.credentials)
        except ApiError as error:
            if error.status == UNAUTHORIZED:
                self.on_refused(caller.digest)
            raise

    @override
    async def stream(
        self,
        request: Request,
        endpoint: Endpoint,
        body: Stream,
        credentials: Credentials | None = None,
    ) -> Json:
        """Send a body as it comes."""
        with self._measured(endpoint):
            return await super().stream(request, endpoint, body, credentials)

    @contextmanager
    def _measured(self, endpoint: Endpoint) -> Iterator[None]:
        began = time.perf_counter()
        outcome = OK
        with upstream_span(endpoint) as span:
            try:
                yield
            except CallError as error:
                outcome = outcome_of(error)
                span.set_attribute("error.type", outcome)
                raise
            finally:
                self._metrics.count_upstream(outcome, time.perf_counter() - began)
