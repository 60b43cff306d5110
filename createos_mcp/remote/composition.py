"""The assembly: the parts of a server for many callers, put together as the settings say."""

import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import getproxies

import httpx2
from mcp.server import Server
from starlette.applications import Starlette
from starlette.types import ASGIApp

from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.client.target import Locate, is_loopback
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.once_marks import OwnMarks, SharedMarks
from createos_mcp.remote.app import Parts, create_app
from createos_mcp.remote.auth.authentication import Authentication, Sharing
from createos_mcp.remote.auth.issuer import Issuer, IssuerClient
from createos_mcp.remote.auth.oauth import Tokens
from createos_mcp.remote.auth.upload_tokens import Tickets
from createos_mcp.remote.auth.verification import Verification
from createos_mcp.remote.call_observer import CallObserver, Context, caller_of, note_failure
from createos_mcp.remote.caller_backend import CallerBackend
from createos_mcp.remote.host_check import Names
from createos_mcp.remote.limits import Rate, Slots
from createos_mcp.remote.metrics import Metrics
from createos_mcp.remote.plain_requests import PlainRequests
from createos_mcp.remote.readiness import Readiness
from createos_mcp.remote.sessions import Sessions
from createos_mcp.remote.uploads import Uploads, offer_address, with_addresses
from createos_mcp.remote.worker_directory import WorkerDirectory
from createos_mcp.server.discovery import CALL, DESCRIBE, SEARCH
from createos_mcp.server.lists import Lists
from createos_mcp.server.offer import Offer, build_offer
from createos_mcp.server.plain_calls import PlainCalls
from createos_mcp.server.server import build_server
from createos_mcp.server.toolsets import offered
from createos_mcp.settings.settings import Settings
from createos_mcp.workflows.registry import build_workflows
from createos_mcp.workflows.workspace import Workspace

MAX_CONNECTIONS = 500
"""To the platform; calls beyond wait for a free one."""

NOTHING_LOCAL = Workspace(working_directory=Path("/"), home=Path("/"))
"""What callers over HTTP may read of this machine: nothing; the workflows refuse them."""

DISCOVERY = frozenset(tool.name for tool in (SEARCH, DESCRIBE, CALL))


Extend: TypeAlias = Callable[[Server[Any]], None]


class RemoteServer:
    """What one process serves.

    Args:
        settings: Already checked by `settings_rules`.
        names: Hosts and origins that are answered.
        is_stopping: Whether no new requests are taken.
        shared: What this worker shares with the others.
    """

    def __init__(
        self,
        settings: Settings,
        names: Names,
        is_stopping: Callable[[], bool],
        shared: WorkerDirectory | None,
    ) -> None:
        self.slots = Slots(_share(settings.serve_max_in_flight, settings))
        self._settings = settings
        self._names = names
        self._is_stopping = is_stopping
        self._keys = settings.serve_state_keys or (secrets.token_hex(),)
        self._catalog = with_addresses(load_catalog())
        self._metrics = Metrics(shared)
        self._observer = CallObserver(self._tool_of, self._metrics, self.slots)
        self._once = SharedMarks(shared.once) if shared else OwnMarks()
        self._tickets = Tickets(self._keys, once=self._once)

    @asynccontextmanager
    async def open(self, locate: Locate, extend: Extend | None) -> AsyncIterator[Starlette]:
        """The app, with everything that it holds open.

        Args:
            locate: Where the platform is, with the server's own credentials if it shares them.
            extend: Adds to the MCP server before it is served.
        """
        async with self._upstream(locate) as upstream, httpx2.AsyncClient() as client:
            verification = Verification(upstream.send)
            upstream.on_refused = verification.refuse
            offer = self._offer(upstream)
            server = self._server(offer)
            if extend is not None:
                extend(server)
            # What was added to the server is listed by the SDK alone.
            plain = partial(
                PlainRequests,
                plain=PlainCalls(offer, is_remote=True),
                lists=Lists(offer) if extend is None else None,
                observer=self._observer,
            )
            yield create_app(self._parts(server, plain, upstream, verification, client))

    def _upstream(self, locate: Locate) -> CallerBackend:
        chosen = self._settings
        return CallerBackend(
            locate,
            metrics=self._metrics,
            offer_address=partial(offer_address, self._tickets),
            connect_timeout_s=chosen.connect_timeout_s,
            read_timeout_s=chosen.read_timeout_s,
            upload_timeout_s=chosen.upload_timeout_s,
            total_timeout_s=chosen.total_timeout_s,
            attempts=chosen.attempts,
            max_answer_bytes=chosen.max_answer_bytes,
            max_connections=MAX_CONNECTIONS,
            # Proxies of the environment are known to httpx2's own.
            transport=None if getproxies() else PooledTransport(max_connections=MAX_CONNECTIONS),
        )

    def _offer(self, upstream: CallerBackend) -> Offer:
        return build_offer(
            self._catalog,
            upstream,
            workflows=build_workflows(self._catalog, NOTHING_LOCAL),
            selection=offered(self._settings),
            unasked=self._settings.confirm,
            codes=_confirmation_codes(self._settings),
            once=self._once,
            result_budget_bytes=self._settings.result_budget_bytes,
            on_failure=note_failure,
        )

    def _server(self, offer: Offer) -> Server[Any]:
        server = build_server(
            offer,
            state_keys=self._keys,
            principal=_principal,
            is_alone=not self._settings.serve_stateless,
        )
        # Within the span of the message, around all that may refuse it.
        server.middleware.insert(1, self._observer)
        return server

    def _parts(
        self,
        server: Server[Any],
        plain: Callable[[ASGIApp], ASGIApp],
        upstream: CallerBackend,
        verification: Verification,
        client: httpx2.AsyncClient,
    ) -> Parts:
        chosen = self._settings
        issuer = _issuer(chosen)
        return Parts(
            base_path=chosen.serve_base_path,
            names=self._names,
            sessions=Sessions(
                server,
                is_stateless=chosen.serve_stateless,
                idle_s=chosen.serve_session_idle_s,
                max_body_bytes=chosen.serve_max_request_bytes,
            ),
            plain=plain,
            authentication=Authentication(
                verification=verification,
                sharing=Sharing(is_on=chosen.serve_share_key, token=chosen.serve_token),
                tokens=Tokens(issuer, IssuerClient(issuer, client)) if issuer else None,
                public_url=chosen.serve_public_url,
                base_path=chosen.serve_base_path,
            ),
            rate=Rate(_share(chosen.serve_calls_per_minute, chosen)),
            slots=self.slots,
            streams=Slots(_share(chosen.serve_max_in_flight, chosen)),
            has_events=chosen.serve_workers == 1,
            uploads=self._uploads(upstream),
            health=Readiness(upstream.send, self._is_stopping),
            metrics=self._metrics,
            issuer=issuer,
            max_body_bytes=chosen.serve_max_request_bytes,
            body_timeout_s=chosen.serve_body_timeout_s,
            metrics_token=chosen.serve_metrics_token,
            metrics_for_all=is_loopback(chosen.serve_host),
            is_stopping=self._is_stopping,
        )

    def _uploads(self, upstream: CallerBackend) -> Uploads:
        operations = self._catalog.operations.values()
        return Uploads(
            # A ticket holds the path, so that one operation tells how to read all answers.
            operation=next(o for o in operations if o.http.body == "multipart"),
            upstream=upstream,
            tickets=self._tickets,
            slots=self.slots,
            limit_bytes=self._settings.serve_max_upload_bytes,
            timeout_s=self._settings.serve_body_timeout_s,
        )

    def _tool_of(self, name: str) -> str | None:
        if name in DISCOVERY or name in self._catalog.workflows:
            return name
        operation = self._catalog.find(name)
        return operation.name if operation else None


def _share(limit: int, settings: Settings) -> int:
    """What of a limit is for one worker."""
    return math.ceil(limit / settings.serve_workers)


def _issuer(settings: Settings) -> Issuer | None:
    if settings.oauth_issuer is None:
        return None
    return Issuer(
        url=settings.oauth_issuer,
        audience=settings.oauth_audience,
        scopes=settings.oauth_scopes,
        jwks_url=settings.oauth_jwks_url,
        introspection_url=settings.oauth_introspection_url,
        client_id=settings.oauth_client_id,
        client_secret=settings.oauth_client_secret,
    )


def _principal(context: Context) -> str | None:
    caller = caller_of(context)
    return caller.principal if caller else None


def _confirmation_codes(settings: Settings) -> ConfirmationCodes | None:
    """Where calls wait for the user; nowhere if the server runs as a user without a home."""
    try:
        return ConfirmationCodes(settings.confirmation_dir)
    except RuntimeError:
        return None
