"""The command `platform open`: a link that signs in to the dashboard once."""

import webbrowser
from collections.abc import Mapping

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, locate_platform
from createos_mcp.cli.local_api import read_apps, request_data
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UserRefusedError
from createos_mcp.platform import daemon

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_dashboard(invocation: Invocation) -> int:
    """Start the platform if need be, and open a browser where there is one.

    Raises:
        UserRefusedError: There is no such project.
    """
    locate_platform(invocation)
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.find_running(data_dir)
    if state is None:
        raise UserRefusedError("The platform has stopped. Run the command again.")
    project = invocation.given.get("app")
    place = ""
    if project:
        ids = {app["project"]: app["projectId"] for app in read_apps(state, data_dir)}
        if project not in ids:
            known = ", ".join(sorted(ids)) or "none"
            raise UserRefusedError(f"There is no project {project!r}. Known: {known}.")
        place = f".{ids[project]}"
    link = request_data(state, data_dir, "/links", method="POST")
    url = f"{link['url']}{place}"
    if not invocation.given["print"] and _has_display(invocation.environ) and webbrowser.open(url):
        say("The dashboard is open in your browser.")
        return 0
    say(f"Open this within {link['expiresInSeconds']} seconds; it works once:")
    say(url)
    if not invocation.given["print"]:
        port = state.api_port
        say(f"From another machine, first: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE")
    return 0


def _has_display(environ: Mapping[str, str]) -> bool:
    """Whether a browser has a window to open in; one in a terminal does not run scripts."""
    return any(environ.get(name) for name in _DISPLAYS)
