"""The local platform as the command line and the backend see it: found, started, stopped, shown."""

import json
import sys
from collections.abc import Iterator
from itertools import count
from urllib.request import ProxyHandler, Request, build_opener

from createos_mcp.commands import Invocation
from createos_mcp.errors import PlatformNotStartedError
from createos_mcp.operations import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState
from createos_mcp.settings import Settings
from createos_mcp.target import Credentials, Target

LOG_LINES = 200
REQUEST_TIMEOUT_S = 10
PAGE = 20
"""Projects per request: as many as the API gives at once."""

_NOTHING = {"status": "nothing deployed"}

_ISOLATION = {
    "bubblewrap": "each in a sandbox of its own",
    "none": "as plain processes; install bubblewrap for a sandbox of its own for each",
}


def locate(invocation: Invocation) -> Target:
    """Where the platform is; starts it when it does not run. Blocks until it answers.

    Raises:
        PlatformNotStartedError: It did not come up.
    """
    config = config_of(invocation.settings)
    try:
        address = daemon.ensure_running(config, invocation.environ)
    except StartupError as error:
        raise PlatformNotStartedError(str(error), str(config.data_dir.log_file)) from error
    return Target(base_url=address.api_url, credentials=Credentials(api_key=address.api_key))


def config_of(settings: Settings) -> PlatformConfig:
    """How the settings set the platform up."""
    return PlatformConfig(
        data_dir=DataDir(settings.platform_dir),
        api_port=settings.platform_api_port,
        gateway_port=settings.platform_gateway_port,
    )


def start(invocation: Invocation) -> int:
    """Start the platform unless it runs, and show it."""
    locate(invocation)
    return show_status(invocation)


def stop(invocation: Invocation) -> int:
    """Stop the platform and its apps."""
    stopped = daemon.stop(config_of(invocation.settings))
    say("The platform has stopped." if stopped else "The platform was not running.")
    return 0


def show_status(invocation: Invocation) -> int:
    """Show where the platform listens and what it runs; 1 when it does not run."""
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.running(data_dir)
    if state is None:
        say(f"The platform is not running. Its files are in {data_dir.root}.")
        return 1
    say(f"API       {state.api_url}/v1  (OpenAPI: {state.api_url}/api-docs/openapi.json)")
    say(f"key       in {data_dir.key_file}")
    say(f"data      {data_dir.root}")
    say(f"process   {state.pid}, version {state.version}")
    network = "with" if state.outbound else "without"
    say(f"apps      run {_ISOLATION[state.isolation]}, {network} access to the network")
    for line in _apps(state, data_dir):
        say(line)
    return 0


def show_log(invocation: Invocation) -> int:
    """Show the end of the platform's own log."""
    log_file = config_of(invocation.settings).data_dir.log_file
    if not log_file.exists():
        say(f"The platform has not run yet; its log will be {log_file}.")
        return 0
    for line in log_file.read_text(errors="replace").splitlines()[-LOG_LINES:]:
        say(line)
    return 0


def _apps(state: PlatformState, data_dir: DataDir) -> Iterator[str]:
    """A line for each environment: what it is, where it answers, how its deployment is."""
    key = data_dir.key_file.read_text().strip()
    opener = build_opener(ProxyHandler({}))

    def get(path: str) -> Json:
        request = Request(f"{state.api_url}/v1/{path}", headers={"X-Api-Key": key})  # noqa: S310 - loopback
        with opener.open(request, timeout=REQUEST_TIMEOUT_S) as answer:
            return json.load(answer)["data"]

    for offset in count(step=PAGE):
        page = get(f"projects?limit={PAGE}&offset={offset}")
        for project in page["data"]:
            path = f"projects/{project['id']}"
            for environment in get(f"{path}/environments"):
                name = f"{project['uniqueName']}/{environment['uniqueName']}"
                deployment = environment["projectDeploymentId"]
                shown = get(f"{path}/deployments/{deployment}") if deployment else _NOTHING
                yield f"          {name}  {environment['extra']['endpoint']}  {shown['status']}"
        if offset + PAGE >= page["pagination"]["total"]:
            return


def say(line: str) -> None:
    """Write a line for whoever called the command."""
    sys.stdout.write(f"{line}\n")
