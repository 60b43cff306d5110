"""An installation: the change to one client's configuration that adds or removes the server."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.cli.install.client_configs import (
    SERVER,
    Client,
    Format,
    ServerLaunch,
    key_members,
)
from createos_mcp.cli.install.config_backups import ConfigBackup
from createos_mcp.cli.install.config_files import read_config, split_bom
from createos_mcp.cli.install.json_text import read_json, remove_member, set_member
from createos_mcp.cli.install.toml_text import read_toml, remove_table, set_entries
from createos_mcp.cli.install.yaml_text import read_yaml, remove_entry, set_entry
from createos_mcp.contract.errors import ConfigFileError, ConfigTextError
from createos_mcp.contract.values import Json

_HIDDEN = '"…"'
_STRING = re.compile(r"""(?P<text>"(?:[^"\\]|\\.)*"|'[^']*')(?P<names>\s*:)?""")
"""A text, and the colon after one that is the name of a member."""

_BLANK_END = re.compile(r"\n(?:\r?\n)+\Z")

_CONTEXT_LINES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What becomes of one file."""

    client: Client
    file: Path
    before: str
    after: str | None
    """None where the file goes."""
    own: frozenset[str]
    """Texts of our entry; others are not shown, since they may be secrets."""
    had_server: bool = False
    """Whether the server is in the text before."""
    is_disabled: bool = False
    """Whether the client does not start the server, as its entry says."""

    @property
    def is_none(self) -> bool:
        """Whether the file is as it should be already."""
        return self.before == self.after

    def diff(self) -> list[str]:
        """The change line by line, without the texts of other entries."""
        lines = difflib.unified_diff(
            self._shown(self.before),
            self._shown(self.after or ""),
            str(self.file) if self.before else "(new)",
            str(self.file),
            n=_CONTEXT_LINES,
            lineterm="",
        )
        return list(lines)

    def _shown(self, text: str) -> list[str]:
        return [_STRING.sub(self._show, line) for line in text.splitlines()]

    def _show(self, found: re.Match[str]) -> str:
        is_shown = found["names"] or found["text"][1:-1] in self.own
        return found[0] if is_shown else _HIDDEN


def add_server(client: Client, file: Path, launch: ServerLaunch, variable: str | None) -> Change:
    """The change after which a client starts the server.

    An entry that is there already keeps what it has beside the command, its variables for one.

    Args:
        client: Whose configuration it is.
        file: The configuration; need not exist.
        launch: The command.
        variable: Name of the variable that holds the key, where the client shall hand it on.

    Raises:
        ConfigFileError: The file is malformed, or has a remote server of this name.
    """
    members: dict[tuple[str, ...], Json] = {
        (name,): value for name, value in client.entry(launch).items()
    }
    members.update((key_members(client, variable) or {}) if variable else {})

    def add(text: str, found: Mapping[str, Json]) -> str:
        if found.keys() & {"url", "httpUrl", "serverUrl"}:
            reason = f"{SERVER} is a remote server here; remove it first with --uninstall"
            raise ConfigTextError(reason, 1)
        return _WRITERS[client.format](text, client, _missing_members_of(members, found))

    return _change(client, file, add, _entry_texts(list(members.values())))


def remove_server(client: Client, file: Path, backup: ConfigBackup | None) -> Change:
    """The change after which a client does not know the server.

    Args:
        client: Whose configuration it is.
        file: The configuration; need not exist.
        backup: What the file was before it got the server, where nobody changed it since.

    Raises:
        ConfigFileError: The file is malformed.
    """
    own = frozenset[str]()
    if backup is not None:
        before = read_config(file)
        after = backup.before if backup.existed else None
        return Change(client=client, file=file, before=before, after=after, own=own)

    def remove(text: str, found: Mapping[str, Json]) -> str:
        removed = _REMOVERS[client.format](text, (*client.at, SERVER))
        # What is left empty was made for the server, as far as anybody knows.
        return _remove_empty(removed, client) if found else removed

    return _change(client, file, remove, own)


def _remove_empty(text: str, client: Client) -> str:
    if client.format == "toml":
        return _BLANK_END.sub("\n", text)
    if client.format not in {"json", "jsonc"} or _READERS[client.format](text).get(client.at[0]):
        return text
    return _REMOVERS[client.format](text, client.at)


def read_entry(client: Client, file: Path) -> Mapping[str, Json]:
    """The server's entry in a configuration; empty when there is none.

    Raises:
        ConfigFileError: The file is malformed.
    """
    try:
        return _entry(client, split_bom(read_config(file))[1])
    except ConfigTextError as error:
        raise ConfigFileError(str(file), error.reason, error.line) from error


def is_disabled(entry: Mapping[str, Json]) -> bool:
    """Whether a client does not start the server, as its entry says."""
    return entry.get("disabled") is True or entry.get("enabled") is False


def _change(
    client: Client,
    file: Path,
    edit: Callable[[str, Mapping[str, Json]], str],
    own: frozenset[str],
) -> Change:
    before = read_config(file)
    mark, text = split_bom(before)
    try:
        entry_before = _entry(client, text)
        after = edit(text, entry_before)
        found = _entry(client, after)
    except ConfigTextError as error:
        reason = f"{error.reason}. Fix it there; nothing was changed"
        raise ConfigFileError(str(file), reason, error.line) from error
    return Change(
        client=client,
        file=file,
        before=before,
        after=mark + after,
        own=own,
        had_server=bool(entry_before),
        is_disabled=is_disabled(found),
    )


def _entry(client: Client, text: str) -> Mapping[str, Json]:
    """The server's entry as it is now; empty when there is none."""
    found: Json = _READERS[client.format](text)
    for name in (*client.at, SERVER):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _missing_members_of(
    members: Mapping[tuple[str, ...], Json], found: Mapping[str, Json]
) -> dict[tuple[str, ...], Json]:
    """What an entry does not hold yet; a list of variables grows by ours."""
    missing = {}
    for path, value in members.items():
        held: Json = found
        for name in path:
            held = held.get(name) if isinstance(held, dict) else None
        if path == ("env_vars",) and isinstance(held, list):
            value = [*held, *(name for name in value if name not in held)]  # noqa: PLW2901
        if held != value:
            missing[path] = value
    return missing


def _write_json(text: str, client: Client, members: Mapping[tuple[str, ...], Json]) -> str:
    entry = (*client.at, SERVER)
    comments = client.format == "jsonc"
    here = _entry(client, text)
    if not here and members:
        return set_member(text, entry, _tree(members), comments=comments)
    for path, value in members.items():
        text = set_member(text, (*entry, *path), value, comments=comments)
    return text


def _write_toml(text: str, client: Client, members: Mapping[tuple[str, ...], Json]) -> str:
    flat = {name: value for (name,), value in members.items()}
    return set_entries(text, (*client.at, SERVER), flat)


def _write_yaml(text: str, client: Client, members: Mapping[tuple[str, ...], Json]) -> str:
    entry = {**_entry(client, text), **{name: value for (name,), value in members.items()}}
    return set_entry(text, (*client.at, SERVER), entry) if members else text


def _tree(members: Mapping[tuple[str, ...], Json]) -> dict[str, Json]:
    """`{("env", "KEY"): "x"}` as `{"env": {"KEY": "x"}}`."""
    tree: dict[str, Json] = {}
    for path, value in members.items():
        here = tree
        for name in path[:-1]:
            here = here.setdefault(name, {})
        here[path[-1]] = value
    return tree


def _entry_texts(values: Sequence[Json]) -> frozenset[str]:
    texts: set[str] = set()
    for value in values:
        texts |= _entry_texts(value) if isinstance(value, list) else {str(value)}
    return frozenset(texts)


_READERS: Mapping[Format, Callable[[str], Json]] = {
    "json": lambda text: read_json(text, comments=False),
    "jsonc": lambda text: read_json(text, comments=True),
    "toml": read_toml,
    "yaml": read_yaml,
}

_WRITERS: Mapping[Format, Callable[[str, Client, Mapping[tuple[str, ...], Json]], str]] = {
    "json": _write_json,
    "jsonc": _write_json,
    "toml": _write_toml,
    "yaml": _write_yaml,
}

_REMOVERS: Mapping[Format, Callable[[str, Sequence[str]], str]] = {
    "json": lambda text, path: remove_member(text, path, comments=False),
    "jsonc": lambda text, path: remove_member(text, path, comments=True),
    "toml": remove_table,
    "yaml": remove_entry,
}
