"""TOML text with one table's entries set or removed; comments, order and layout stay."""

import re
from collections.abc import Mapping, MutableMapping, Sequence

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import InlineTable

from createos_mcp.contract.errors import ConfigTextError
from createos_mcp.contract.values import Json

_HEADER = re.compile(r"\s*\[{1,2}[^\[\]]+\]{1,2}\s*(#.*)?")
"""A line that begins a table."""


def read_toml(text: str) -> dict[str, Json]:
    """The value of a text.

    Raises:
        ConfigTextError: It is no TOML.
    """
    return _parse_document(text).unwrap()


def set_entries(text: str, path: Sequence[str], entries: Mapping[str, Json]) -> str:
    """The text with entries in the table at a path; its other entries stay.

    Args:
        text: The whole document.
        path: Names from the root on, `("mcp_servers", "createos")`.
        entries: What the table shall hold, `{"command": "uvx", "args": ["createos-mcp"]}`.

    Raises:
        ConfigTextError: It is no TOML, or something on the way is no table.
    """
    document = _parse_document(text)
    table: MutableMapping[str, Json] = document
    for depth, key in enumerate(path):
        if key not in table:
            if isinstance(table, InlineTable):
                table[key] = tomlkit.inline_table()
            else:
                return _append(text, path, entries)
        table = _table(table[key], path[: depth + 1])
    for key, value in entries.items():
        if table.get(key) != value:
            table[key] = value
    return tomlkit.dumps(document)


def remove_table(text: str, path: Sequence[str]) -> str:
    """The text without the table at a path; unchanged when there is none.

    Raises:
        ConfigTextError: It is no TOML, or something on the way is no table.
    """
    document = _parse_document(text)
    table: MutableMapping[str, Json] = document
    for depth, key in enumerate(path[:-1]):
        if key not in table:
            return text
        table = _table(table[key], path[: depth + 1])
    if path[-1] not in table:
        return text
    del table[path[-1]]
    expected = document.unwrap()
    cut = _cut_lines(text, path)
    # Inline tables, dotted names and odd layouts have no lines of their own.
    return cut if read_toml(cut) == expected else tomlkit.dumps(document)


def _cut_lines(text: str, path: Sequence[str]) -> str:
    """The text without the lines of a table; comments after its last entry stay."""
    names = r"\s*\.\s*".join(f"[\"']?{re.escape(name)}[\"']?" for name in path)
    own = re.compile(rf"\s*\[\s*{names}\s*(\.[^\]]*)?\]\s*(#.*)?")
    kept: list[str] = []
    pending: list[str] = []
    is_own = False
    for line in text.splitlines(keepends=True):
        if _HEADER.fullmatch(line.rstrip()):
            is_own = own.fullmatch(line.rstrip()) is not None
            kept += [] if is_own else pending
            pending = []
        if not is_own:
            kept.append(line)
        elif not line.strip() or line.lstrip().startswith("#"):
            pending.append(line)
        else:
            pending = []
    if is_own and kept and not kept[-1].strip():
        # The empty line before a table that was appended.
        kept.pop()
    return "".join([*kept, *pending])


def _parse_document(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        reason = str(error).partition(" at line ")[0]
        raise ConfigTextError(reason, error.line) from error
    except TOMLKitError as error:
        raise ConfigTextError(str(error), 1) from error


def _append(text: str, path: Sequence[str], entries: Mapping[str, Json]) -> str:
    """A table of its own at the end: what is there is not touched at all."""
    header = f"[{'.'.join(path)}]\n"
    table = header + tomlkit.dumps(entries)
    gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    added = gap + table
    return text + (added.replace("\n", "\r\n") if "\r\n" in text else added)


def _table(value: Json, path: Sequence[str]) -> MutableMapping[str, Json]:
    if not isinstance(value, MutableMapping):
        raise ConfigTextError(f"{'.'.join(path)} must be a table", 1)
    return value
