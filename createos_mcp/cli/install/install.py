"""The command `install`: shows what would change in clients' configurations, asks, and writes."""

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import createos_mcp
from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.install.client_configs import (
    KEY_VARIABLE,
    Client,
    ServerLaunch,
    is_there,
    key_members,
    locate_config,
)
from createos_mcp.cli.install.client_list import CLIENTS
from createos_mcp.cli.install.config_backups import ConfigBackups
from createos_mcp.cli.install.config_files import is_read_only, read_config, replace_config
from createos_mcp.cli.install.installation import Change, add_server, remove_server
from createos_mcp.cli.terminal import ask_user, can_ask, say, say_diff
from createos_mcp.contract.errors import ConfigFileError, KeyNameError, UnknownClientError

PACKAGE = "createos-mcp"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_PREFIX = "skp_"

_NO_KEY = (
    "No key is written. Without a key the server uses the platform on this machine; "
    f"--with-key {KEY_VARIABLE} makes the clients pass yours on."
)


def install(invocation: Invocation) -> int:
    """Put the server into clients' configurations, or take it out; 1 when a file is refused."""
    given = invocation.given
    variable = _variable(given["with_key"])
    clients = tuple(_chosen(invocation))
    if not clients:
        say(f"No clients were found. Name one of: {', '.join(client.name for client in CLIENTS)}.")
        return 1
    changes, refusals = _plan(clients, invocation, variable)
    _show_changes(changes)
    if not given["uninstall"]:
        _say_keys(clients, variable, invocation.environ)
    if refusals:
        return _report_refusals(refusals)
    wanted = [change for change in changes if not change.is_none]
    if wanted and _is_allowed(given, wanted):
        _write_changes(wanted, _backups(invocation), uninstalls=given["uninstall"])
    return 0


def _backups(invocation: Invocation) -> ConfigBackups:
    return ConfigBackups(invocation.settings.platform_dir / "client-backups")


def _plan(
    clients: Iterable[Client], invocation: Invocation, variable: str | None
) -> tuple[list[Change], list[ConfigFileError]]:
    """What becomes of each client's file, and why some are refused."""
    given, backups = invocation.given, _backups(invocation)
    launch = SHARED if given["project_scope"] else find_launch(invocation.environ)
    changes, refusals = [], []
    for client in clients:
        file = _file(client, invocation)
        try:
            if given["uninstall"]:
                known = backups.find(file, read_config(file))
                changes.append(remove_server(client, file, known))
            else:
                changes.append(add_server(client, file, launch, variable))
        except ConfigFileError as error:
            refusals.append(error)
    return changes, refusals


SHARED = ServerLaunch(command="uvx", args=(PACKAGE,))
"""What a project's file says: nothing of this machine, since others use it, too."""


def find_launch(environ: Mapping[str, str]) -> ServerLaunch:
    """How clients start the server: by uvx where there is one, otherwise by its absolute path.

    A checkout is started by its path, since uvx would start the published version.
    """
    if not is_checkout() and shutil.which("uvx", path=environ.get("PATH")):
        return SHARED
    beside = shutil.which(PACKAGE, path=str(Path(sys.executable).parent))
    found = beside or shutil.which(PACKAGE, path=environ.get("PATH"))
    if found:
        return ServerLaunch(command=str(Path(found).absolute()))
    return ServerLaunch(command=sys.executable, args=("-m", "createos_mcp"))


def is_checkout() -> bool:
    """Whether this runs from the project's own directory, not from an installed package."""
    return (Path(createos_mcp.__file__).parents[1] / "pyproject.toml").is_file()


def _variable(name: str | None) -> str | None:
    if name is None:
        return None
    if not _VARIABLE.fullmatch(name) or name.startswith(_KEY_PREFIX):
        raise KeyNameError
    return name


def _chosen(invocation: Invocation) -> Iterator[Client]:
    """The clients that are named, otherwise those that are found."""
    given = invocation.given
    named = given["clients"]
    if not named and given["project_scope"]:
        named = [CLIENTS[0].name]
    if not named:
        environ = invocation.environ
        yield from (c for c in CLIENTS if is_there(c, sys.platform, environ))
        return
    usable = [c for c in CLIENTS if c.project or not given["project_scope"]]
    known = {client.name: client for client in usable}
    for name in dict.fromkeys(named):
        if name not in known:
            near = get_close_matches(name, known, n=2)
            raise UnknownClientError(name, near or list(known))
        yield known[name]


def _file(client: Client, invocation: Invocation) -> Path:
    if invocation.given["project_scope"] and client.project:
        return Path.cwd() / client.project
    return locate_config(client, sys.platform, invocation.environ)


def _show_changes(changes: Iterable[Change]) -> None:
    for change in changes:
        state = "nothing to change" if change.is_none else str(change.file)
        say(f"{change.client.title}: {state}", style="bold")
        if change.is_disabled:
            say(f"{change.client.title} does not start it: the entry is disabled.", style="yellow")
        if not change.is_none:
            say_diff(change.diff())
            say("")


def _say_keys(clients: Iterable[Client], variable: str | None, environ: Mapping[str, str]) -> None:
    if variable is None:
        say(_NO_KEY)
        return
    for client in clients:
        if key_members(client, variable) is None:
            say(_without_reference(client), style="yellow")
    if variable not in environ:
        say(f"{variable} is not set here; the clients need it in their environment.")


def _without_reference(client: Client) -> str:
    if client.key is None:
        return f"{client.title} cannot refer to a variable, so its entry has no key."
    return (
        f"{client.title} can only pass variables on under their own names, so its entry has no "
        f"key; use --with-key {KEY_VARIABLE}."
    )


def _report_refusals(refusals: Iterable[ConfigFileError]) -> int:
    for error in refusals:
        sys.stderr.write(f"createos-mcp: {error}\n")
    sys.stderr.write(
        "createos-mcp: nothing was written; name the other clients to skip this one.\n"
    )
    return 1


def _is_allowed(given: Mapping[str, object], wanted: Sequence[Change]) -> bool:
    if given["dry_run"]:
        say("Nothing was written: this was a dry run.")
        return False
    locked = [change.file for change in wanted if is_read_only(change.file)]
    for file in locked:
        say(f"{file} is read-only.", style="yellow")
    if given["yes"] and not locked:
        return True
    if given["yes"] and not can_ask():
        say("Nothing was written. Make it writable, or run the command in a terminal.")
        return False
    if not can_ask():
        say("Nothing was written. Run it again with --yes.")
        return False
    files = "this file" if len(wanted) == 1 else f"these {len(wanted)} files"
    if ask_user(f"Write {files}? [y/N]").lower() in {"y", "yes"}:
        return True
    say("Nothing was written.")
    return False


def _write_changes(changes: Iterable[Change], backups: ConfigBackups, *, uninstalls: bool) -> None:
    for change in changes:
        kept = ""
        if not uninstalls:
            copy = backups.keep(
                change.file, change.before, change.after or "", had_server=change.had_server
            )
            kept = f"; the version before is in {copy}"
        replace_config(change.file, change.before, change.after)
        done = "Removed" if change.after is None else "Wrote"
        say(f"{done} {change.file}{kept}.", style="green")
        if change.client.first and not uninstalls:
            say(change.client.first)
    say("Restart running clients.")
