"""Users of the local platform, from the command line."""

import json

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, explained
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.platform import daemon, users
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.state import read_state

_COLUMNS = ("NAME", "ID", "SINCE")

_NO_ADDRESS = (
    "CREATEOS_API_URL is printed by `createos-mcp platform start` "
    "(the platform has not been started yet)"
)


def add_user_command(invocation: Invocation) -> int:
    """Let another user in, and show their key: nothing keeps it but this output.

    Raises:
        UserRefusedError: The name is taken or of a form that is not allowed.
    """
    config = config_of(invocation.settings)
    with explained(), daemon.holding_starts(config.data_dir):
        user, key = anyio.run(users.add_user, config.data_dir, invocation.given["name"])
    api_url = _api_url(config)
    if invocation.given["json"]:
        say(json.dumps({"id": user.id, "name": user.name, "apiUrl": api_url, "apiKey": key}))
        return 0
    say(f"User {user.name} added. Configure their client with (the key is shown only once):")
    say(f"CREATEOS_API_URL={api_url}" if api_url else _NO_ADDRESS)
    say(f"CREATEOS_API_KEY={key}")
    return 0


def list_users_command(invocation: Invocation) -> int:
    """Show who may use the platform, its owner first."""
    with explained():
        found = anyio.run(users.list_users, config_of(invocation.settings).data_dir)
    if invocation.given["json"]:
        listed = [{"id": u.id, "name": u.name, "createdAt": u.created_at} for u in found]
        say(json.dumps(listed))
        return 0
    write_table(_COLUMNS, [(user.name, user.id, user.created_at) for user in found])
    if not found:
        say("The platform has not been started yet and has no users.")
    return 0


def _api_url(config: PlatformConfig) -> str | None:
    """Where the API listens, or will with the next start; unknown before the first."""
    state = read_state(config.data_dir.state_file)
    if state is not None:
        return state.api_url
    return f"http://127.0.0.1:{config.api_port}" if config.api_port else None
