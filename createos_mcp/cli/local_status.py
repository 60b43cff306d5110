"""The local platform's status: where it listens and what runs on it, for people and programs."""

import json
from collections.abc import Mapping

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, locate_platform
from createos_mcp.cli.local_api import read_status
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState
from createos_mcp.settings.settings import PLATFORM_PREFIX, variable_of

_COLUMNS = (
    "APP",
    "STATE",
    "NEWEST",
    "ADDRESS",
    "REPLICAS",
    "MEMORY",
    "ISOLATION",
    "LIMITS",
    "USER",
)

_NOTHING = "-"

_ISOLATION = {
    "bubblewrap": "each in its own sandbox",
    "landlock": "each confined by Landlock; install bubblewrap for a sandbox of its own",
    "none": "as plain processes; install bubblewrap to sandbox each of them",
}


def start_command(invocation: Invocation) -> int:
    """Start the platform unless it runs, and show it."""
    locate_platform(invocation)
    code = print_status(invocation)
    _report_other_settings(config_of(invocation.settings))
    return code


def _report_other_settings(config: PlatformConfig) -> None:
    """Say which settings the running platform was started without."""
    state = daemon.find_running(config.data_dir)
    running = state.settings if state is not None else {}
    wanted = config.choices()
    changed = [name for name in running.keys() & wanted.keys() if running[name] != wanted[name]]
    if changed:
        names = ", ".join(variable_of(PLATFORM_PREFIX + name) for name in sorted(changed))
        say("")
        say(f"The running platform was started with other values of {names}.", style="yellow")
        say("To apply them: createos-mcp platform stop && createos-mcp platform start")


def print_status(invocation: Invocation) -> int:
    """Show where the platform listens and what it runs; 1 when it does not run."""
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.find_running(data_dir)
    if invocation.given.get("json"):
        say(json.dumps(_document(state, data_dir)))
    else:
        _write_status(state, data_dir)
    return 1 if state is None else 0


def _document(state: PlatformState | None, data_dir: DataDir) -> dict[str, Json]:
    """All of it for programs; the members of `apps` are those of the API's `/status`."""
    if state is None:
        return {"running": False, "dataDir": str(data_dir.root)}
    page = read_status(state, data_dir)
    return {
        "running": True,
        "dataDir": str(data_dir.root),
        "keyFile": str(data_dir.key_file),
        "apiUrl": state.api_url,
        "openapiUrl": _openapi_url(state),
        "gatewayPort": state.gateway_port,
        "dashboardUrl": state.dashboard_url,
        "pid": state.pid,
        "version": state.version,
        "isolation": state.isolation,
        "outbound": state.outbound,
        "notEnforced": dict(state.gaps),
        "engine": page["engine"],
        "copy": page["copy"],
        "apps": page["apps"],
    }


def _write_status(state: PlatformState | None, data_dir: DataDir) -> None:
    if state is None:
        say(f"The platform is not running. Its files are in {data_dir.root}.")
        return
    say(f"API       {state.api_url}/v1  (OpenAPI: {_openapi_url(state)})")
    say(f"dashboard {state.dashboard_url}  (sign in: createos-mcp platform open)")
    say(f"key       in {data_dir.key_file}")
    say(f"data      {data_dir.root}")
    say(f"process   {state.pid}, version {state.version}")
    network = "with" if state.outbound else "without"
    say(f"apps      run {_ISOLATION[state.isolation]}, {network} network access")
    for measure, reason in state.gaps.items():
        say(f"          not enforced: {measure} ({reason})", style="yellow")
    page = read_status(state, data_dir)
    engine = page["engine"]
    say(f"images    run on {engine['name']}" if "name" in engine else "images    not run")
    if "missing" in engine:
        say(f"          {engine['missing']}")
    for node in engine.get("nodes", ()):
        state_of = "ready" if node["ready"] else "not ready"
        say(f"          {node['name']} {node['address']} {state_of}", style=_style_of(node))
    if page["copy"]:
        say(f"copy      to {page['copy']['to']}")
    if page["copy"] and page["copy"]["problem"]:
        say(f"          not copied: {page['copy']['problem']}", style="yellow")
    if page["apps"]:
        say("")
        write_table(_COLUMNS, [_app_row(app) for app in page["apps"]])


def _style_of(node: Mapping[str, Json]) -> str:
    return "" if node["ready"] else "yellow"


def _openapi_url(state: PlatformState) -> str:
    return f"{state.api_url}/api-docs/openapi.json"


def _app_row(app: Mapping[str, Json]) -> tuple[str, ...]:
    replicas = app["replicas"]
    return (
        f"{app['project']}/{app['environment']}",
        "stopped" if app["stopped"] else app["status"] or _NOTHING,
        show_newest(app),
        app["endpoint"] or "worker",
        f"{replicas['running']}/{replicas['wanted']}",
        f"{app['memoryBytes'] / 2**20:.0f}/{app['memoryMb']} MB",
        app["isolation"] or _NOTHING,
        app["limits"] or _NOTHING,
        app["user"],
    )


def show_newest(app: Mapping[str, Json]) -> str:
    """The newest deployment, where it is not the one that serves: `v3 build_error`."""
    newest = app["newest"]
    if newest is None or newest["id"] == app["deploymentId"]:
        return _NOTHING
    return f"v{newest['version']} {newest['status']}"
