"""The server of one client, put together: settings, backend, catalog, tools."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.request import getproxies

from anyio import to_thread

from createos_mcp.cli.commands import Invocation
from createos_mcp.client.backend import Backend
from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.client.target import ApiTarget, Credentials, Locate, known_target
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.errors import KeyUnfilledError, NoPlatformHereError
from createos_mcp.server.offer import Offer, build_offer
from createos_mcp.server.toolsets import offered
from createos_mcp.settings.settings import CLOUD_URL
from createos_mcp.workflows.registry import build_workflows
from createos_mcp.workflows.workspace import Workspace

MAX_CONNECTIONS = 100


@asynccontextmanager
async def open_offer(invocation: Invocation, *, whole_build: bool = False) -> AsyncIterator[Offer]:
    """What is offered as the settings say; its connections are closed in the end.

    Args:
        invocation: What was chosen.
        whole_build: Whether notices of progress have every line of a build.
    """
    settings = invocation.settings
    async with Backend(
        target_resolver(invocation),
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        upload_timeout_s=settings.upload_timeout_s,
        total_timeout_s=settings.total_timeout_s,
        attempts=settings.attempts,
        max_answer_bytes=settings.max_answer_bytes,
        # Proxies of the environment are known to httpx2's own.
        transport=None if getproxies() else PooledTransport(max_connections=MAX_CONNECTIONS),
    ) as backend:
        catalog = load_catalog(local=settings.is_local)
        readable = replace(workspace(invocation), whole_build=whole_build)
        yield build_offer(
            catalog,
            backend,
            workflows=build_workflows(catalog, readable),
            selection=offered(settings),
            unasked=settings.confirm,
            codes=ConfirmationCodes(settings.confirmation_dir),
            is_local=settings.is_local,
            key_directory=settings.platform_dir / "keys",
            result_budget_bytes=settings.result_budget_bytes,
        )


def workspace(invocation: Invocation) -> Workspace:
    """What of this machine the tools may read for the one who launched this process."""
    return Workspace(
        allowed=invocation.settings.deploy_roots,
        working_directory=Path.cwd(),
        home=Path.home(),
        variables=invocation.environ,
    )


def target_resolver(invocation: Invocation) -> Locate:
    """Where calls go: known at once, or found by starting the local platform when first needed."""
    settings = invocation.settings
    if settings.is_local:
        return lambda: to_thread.run_sync(partial(_start_platform, invocation))
    if settings.unfilled and not (settings.api_key or settings.access_token):
        return partial(_refuse_unfilled, settings.unfilled)
    credentials = Credentials(api_key=settings.api_key, access_token=settings.access_token)
    return known_target(ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=credentials))


async def _refuse_unfilled(variable: str) -> ApiTarget:
    raise KeyUnfilledError(variable)


def _start_platform(invocation: Invocation) -> ApiTarget:
    if sys.platform != "linux":
        raise NoPlatformHereError(sys.platform)
    # Only a session that calls a tool of the local platform needs it.
    from createos_mcp.cli import local  # noqa: PLC0415

    return local.locate_platform(invocation)
