"""The app: every address of a server for many callers."""

import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from createos_mcp.remote import uploads
from createos_mcp.remote.admission import AdmissionMiddleware
from createos_mcp.remote.auth.authentication import METADATA_PATH, Authentication
from createos_mcp.remote.auth.callers import read_bearer
from createos_mcp.remote.auth.issuer import Issuer
from createos_mcp.remote.auth.oauth import describe_resource
from createos_mcp.remote.content_negotiation import NegotiatedAnswers
from createos_mcp.remote.errors import RefusedRequestError
from createos_mcp.remote.host_check import Names, answer_refusal, front
from createos_mcp.remote.limits import Rate, Slots
from createos_mcp.remote.metrics import CONTENT_TYPE, Metrics
from createos_mcp.remote.readiness import Readiness
from createos_mcp.remote.request_body import BoundedBody
from createos_mcp.remote.request_message import ReadableMessages
from createos_mcp.remote.sessions import MESSAGES_PATH, Sessions
from createos_mcp.remote.uploads import Uploads

STREAMABLE_PATH = "/mcp"
SSE_PATH = "/sse"
PROBES = ("/healthz", "/readyz")

INTERNAL_ERROR = "Internal error. Details are in this server's log."
UNAUTHORIZED = 401

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the addresses lead to."""

    base_path: str
    names: Names
    sessions: Sessions
    plain: Callable[[ASGIApp], ASGIApp]
    """Answers plain calls in front of an endpoint."""
    authentication: Authentication
    rate: Rate
    slots: Slots
    streams: Slots
    has_events: bool
    """Whether `/sse` is offered, whose messages have to reach the process that streams."""
    uploads: Uploads
    health: Readiness
    metrics: Metrics
    issuer: Issuer | None
    max_body_bytes: int
    body_timeout_s: float
    metrics_token: str | None
    metrics_for_all: bool
    """Whether `/metrics` needs no token, because only this machine can ask."""
    is_stopping: Callable[[], bool]


def create_app(parts: Parts) -> Starlette:
    """All addresses, below the base path."""
    routes = [*_transports(parts), *_observation(parts)]
    take = Route(f"{uploads.PATH}/{{ticket}}", parts.uploads.take, methods=["PUT", "POST"])
    routes.append(take)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with parts.sessions.run():
            yield

    async def refuse(_request: Request, error: Exception) -> Response:
        if not isinstance(error, RefusedRequestError):
            raise error
        parts.metrics.count_refusal(error.code)
        return answer_refusal(error)

    app = Starlette(
        routes=[*_metadata(parts), *_below(parts.base_path, routes)],
        middleware=front(
            parts.names,
            open_to_any_host=[parts.base_path + path for path in PROBES],
            on_refusal=parts.metrics.count_refusal,
        ),
        exception_handlers={
            RefusedRequestError: refuse,
            HTTPException: _answer_no_route,
            ClientDisconnect: _answer_disconnected,
            Exception: _answer_server_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _transports(parts: Parts) -> list[BaseRoute]:
    """The endpoints of MCP, each behind the gate."""

    def readable(app: ASGIApp) -> ASGIApp:
        return NegotiatedAnswers(ReadableMessages(app))

    def guarded(app: ASGIApp) -> ASGIApp:
        bounded = BoundedBody(app, limit_bytes=parts.max_body_bytes, timeout_s=parts.body_timeout_s)
        return AdmissionMiddleware(
            bounded,
            authentication=parts.authentication,
            rate=parts.rate,
            slots=parts.slots,
            streams=parts.streams,
            is_stopping=parts.is_stopping,
        )

    streamable = guarded(parts.plain(readable(parts.sessions.streamable)))
    routes: list[BaseRoute] = [
        # Both ways of writing an address are served: a redirect would lose a request's body with
        # some clients, and its TLS behind some proxies.
        *(Route(STREAMABLE_PATH + ending, streamable) for ending in ("", "/")),
    ]
    if parts.has_events:
        events = guarded(readable(parts.sessions.sse))
        routes += (Route(SSE_PATH + ending, events, methods=["GET"]) for ending in ("", "/"))
        routes.append(Mount(MESSAGES_PATH, guarded(readable(parts.sessions.messages))))
    return routes


def _observation(parts: Parts) -> list[BaseRoute]:
    async def metrics(request: Request) -> Response:
        wanted, given = parts.metrics_token, read_bearer(request.headers) or ""
        matches = wanted and hmac.compare_digest(wanted.encode(), given.encode())
        if not (matches or (wanted is None and parts.metrics_for_all)):
            body = {
                "error": "unauthorized",
                "message": "Send the metrics token as a bearer token.",
            }
            return JSONResponse(body, UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        return Response(parts.metrics.render(), media_type=CONTENT_TYPE)

    live, ready = PROBES
    return [
        Route(live, parts.health.live),
        Route(ready, parts.health.ready),
        Route("/metrics", metrics),
    ]


def _metadata(parts: Parts) -> list[BaseRoute]:
    """The metadata of RFC 9728, in the form with the path and at the root."""
    issuer = parts.issuer
    if issuer is None:
        return []

    async def describe(request: Request) -> Response:
        return JSONResponse(describe_resource(issuer, parts.authentication.base_url(request)))

    with_path = f"{METADATA_PATH}{parts.base_path}{STREAMABLE_PATH}"
    return [Route(path, describe) for path in (METADATA_PATH, with_path)]


def _below(base_path: str, routes: Sequence[BaseRoute]) -> Sequence[BaseRoute]:
    return [Mount(base_path, Router(routes, redirect_slashes=False))] if base_path else routes


async def _answer_no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{error.detail}: {request.method} {request.url.path}. MCP is at {STREAMABLE_PATH}."
    body = {"error": "no_such_address", "message": message}
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _answer_disconnected(_request: Request, _error: Exception) -> Response:
    """Nobody reads the answer of a request whose client is gone."""
    return Response(status_code=400)


async def _answer_server_error(_request: Request, error: Exception) -> Response:
    _logger.error("a request failed", exc_info=error)
    return JSONResponse({"error": "internal_error", "message": INTERNAL_ERROR}, 500)
