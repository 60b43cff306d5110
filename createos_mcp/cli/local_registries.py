"""Credentials for registries of images, from the command line."""

import json
import sys
from functools import partial
from getpass import getpass

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, explained
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UserRefusedError
from createos_mcp.platform import daemon, registries
from createos_mcp.platform.store.registry_credentials import RegistryLogin

_COLUMNS = ("REGISTRY", "USER", "PROJECT", "NAME THERE")


def log_in_command(invocation: Invocation) -> int:
    """Store credentials; the password is typed, or comes over standard input.

    Raises:
        UserRefusedError: The registry, the user or the project is not one.
    """
    given = invocation.given
    config = config_of(invocation.settings)
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise UserRefusedError("no password was given; type it, or pass it over standard input")
    login = RegistryLogin(registry=given["registry"], username=given["username"], password=password)
    with explained(), daemon.holding_starts(config.data_dir):
        anyio.run(
            partial(
                registries.log_in,
                config.data_dir,
                login,
                user=given.get("for_user"),
                project=given.get("for_project"),
            )
        )
    say(f"Images of {login.registry} are pulled as {login.username} from now on.")
    return 0


def log_out_command(invocation: Invocation) -> int:
    """Forget credentials; 1 when there are none.

    Raises:
        UserRefusedError: The user or the project is not one.
    """
    given = invocation.given
    config = config_of(invocation.settings)
    with explained():
        is_gone = anyio.run(
            partial(
                registries.log_out,
                config.data_dir,
                given["registry"],
                user=given.get("for_user"),
                project=given.get("for_project"),
            )
        )
    say(f"The credentials for {given['registry']} were removed." if is_gone else "There are none.")
    return 0 if is_gone else 1


def list_logins_command(invocation: Invocation) -> int:
    """Show which registries there are credentials for."""
    rows = anyio.run(registries.list_logins, config_of(invocation.settings).data_dir)
    if invocation.given["json"]:
        say(json.dumps([{name: getattr(row, name) for name in _MEMBERS} for row in rows]))
        return 0
    cells = [(row.registry, row.user, row.project or "all", row.username) for row in rows]
    write_table(_COLUMNS, cells)
    return 0


_MEMBERS = ("registry", "user", "project", "username")
