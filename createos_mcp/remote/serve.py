"""`createos-mcp serve`: one process that serves many callers over HTTP until it is stopped."""

import signal
import sys
from collections.abc import Mapping
from types import MappingProxyType

import anyio
import uvicorn

from createos_mcp.client.target import ApiTarget, Credentials, Locate, known_target
from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.contract.request_heads import StrictHeadProtocol
from createos_mcp.remote.access_log import log_json
from createos_mcp.remote.app import SSE_PATH, STREAMABLE_PATH
from createos_mcp.remote.composition import Extend, RemoteServer
from createos_mcp.remote.listener import Listener
from createos_mcp.remote.settings_rules import check_settings, names_of
from createos_mcp.remote.tracing import exported
from createos_mcp.remote.worker_directory import WorkerDirectory, own_worker_directory
from createos_mcp.remote.workers import end_with_parent, listening_socket, run_workers
from createos_mcp.settings.settings import CLOUD_URL, Settings


def serve_http(
    settings: Settings,
    locate_own: Locate,
    extend: Extend | None = None,
    *,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Serve until SIGINT or SIGTERM; calls in flight are answered first.

    Args:
        settings: What was chosen.
        locate_own: Where calls with the server's own credentials go; asked only if it shares them.
        extend: Adds to the MCP server before it is served.
        environ: Variables of this process; one tells a worker that it is one.

    Returns:
        The process's exit code.

    Raises:
        SettingError: Two settings do not fit together.
    """
    check_settings(settings)
    log_json(settings.log_level)
    shared = own_worker_directory(environ)
    if settings.serve_workers > 1 and shared is None:
        return run_workers(settings, environ, _print_line)
    locate = locate_own if settings.serve_share_key else _locate_for_callers(settings)
    with exported(settings.serve_otlp_endpoint):
        return anyio.run(
            _run_server, settings, locate, extend, shared, backend_options=LOOP_OPTIONS
        )


def _locate_for_callers(settings: Settings) -> Locate:
    target = ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=Credentials())
    return known_target(target)


async def _run_server(
    settings: Settings, locate: Locate, extend: Extend | None, shared: WorkerDirectory | None
) -> int:
    stopping = anyio.Event()
    server = RemoteServer(settings, names_of(settings), stopping.is_set, shared)
    async with server.open(locate, extend) as app:
        config = uvicorn.Config(
            app,
            http=StrictHeadProtocol,
            host=settings.serve_host,
            port=settings.serve_port,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.serve_trusted_proxies),
            forwarded_allow_ips=list(settings.serve_trusted_proxies),
            timeout_keep_alive=settings.serve_idle_timeout_s,
            timeout_graceful_shutdown=settings.serve_stop_timeout_s,
        )
        listener = Listener(
            config,
            stopping=stopping,
            in_flight=lambda: server.slots.taken,
            on_ready=lambda address: _say(address + settings.serve_base_path, settings),
        )
        # uvicorn raises the signal that stopped it again, which would hide the exit code.
        signal.signal(signal.SIGTERM, lambda *_: None)
        if shared is not None:
            end_with_parent()
            place = listening_socket(settings.serve_host, settings.serve_port)
            await listener.serve(sockets=[place])
        else:
            await listener.serve()
    return 0 if listener.started else 1


def _say(address: str, settings: Settings) -> None:
    events = f" and {address}{SSE_PATH}" if settings.serve_workers == 1 else ""
    _print_line(f"createos-mcp is listening on {address}{STREAMABLE_PATH}{events}\n")


def _print_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
