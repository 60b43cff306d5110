"""Writes the tables of README.md and docs/*.md from the code; `--check` only compares."""

import difflib
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from createos_mcp.cli.install.client_configs import locate_config
from createos_mcp.cli.install.client_list import CLIENTS
from createos_mcp.contract.catalog import Catalog, load_catalog
from createos_mcp.contract.operations import Operation, Tool
from createos_mcp.contract.schema_files import (
    ABSENCES,
    COMPLETIONS,
    ON_REQUEST,
    OPERATION,
    REFERENCES,
    RESOURCES,
    SECRETS,
    UTTERANCES,
    WORKFLOW,
)
from createos_mcp.platform.api.app import HANDLERS
from createos_mcp.settings.settings import setting_table, variable_of

ROOT = Path(__file__).parent.parent

LOCALLY = "yes"


def tools_by_group(catalog: Catalog) -> Iterator[str]:
    """One row per group of tools, for README.md."""
    yield "| group | tools | served by the local platform | there alone |"
    yield "|---|---|---|---|"
    for group, of_group in _groups(catalog):
        of_all = [tool for tool in of_group if not tool.local]
        served = sum(map(_is_served, of_all))
        more = len(of_group) - len(of_all)
        yield f"| {group} | {len(of_all)} | {_share(served, len(of_all))} | {more or ''} |"
    of_all = [tool for tool in catalog.tools if not tool.local]
    more = len(catalog.tools) - len(of_all)
    yield f"| all | {len(of_all)} | {sum(map(_is_served, of_all))} | {more} |"


_REMOTE: Collection[str] = ("server", "oauth")
"""Groups of settings that only `createos-mcp serve` reads."""


def settings() -> Iterator[str]:
    """One row per setting that every command reads, for docs/settings.md."""
    return _rows(lambda group: group not in _REMOTE)


def remote_settings() -> Iterator[str]:
    """One row per setting of `createos-mcp serve`, for docs/remote.md."""
    return _rows(lambda group: group in _REMOTE)


def _rows(is_shown: Callable[[str], bool]) -> Iterator[str]:
    yield "| variable | default | description |"
    yield "|---|---|---|"
    for name, row in setting_table().items():
        if is_shown(row.metadata["group"]):
            default = row.metadata["default_text"] or ("" if row.default is None else row.default)
            yield f"| `{variable_of(name)}` | {default} | {row.metadata['help']} |"


def clients() -> Iterator[str]:
    """One row per client that `install` knows, for docs/install.md."""
    yield "| client | name | file on Linux | of a project | servers are in |"
    yield "|---|---|---|---|---|"
    for client in CLIENTS:
        file = locate_config(client, "linux", {"HOME": "~"}).as_posix()
        own = f"`{client.project}`" if client.project else ""
        title = f"[{client.title}]({client.source})"
        yield f"| {title} | `{client.name}` | `{file}` | {own} | `{client.at[0]}` |"


def tools(catalog: Catalog) -> Iterator[str]:
    """One row per tool, for docs/tools.md."""
    for group, of_group in _groups(catalog):
        yield f"\n## {group}\n"
        yield "| tool | what it does | on the local platform |"
        yield "|---|---|---|"
        for tool in of_group:
            yield f"| `{tool.name}` | {tool.description} | {_place(tool)} |"


def _groups(catalog: Catalog) -> Iterator[tuple[str, list[Tool]]]:
    ordered = sorted(catalog.tools, key=lambda tool: (tool.group, tool.name))
    for group, of_group in groupby(ordered, key=lambda tool: tool.group):
        yield group.replace("_", " "), list(of_group)


def _is_served(tool: Tool) -> bool:
    return not isinstance(tool, Operation) or tool.name in HANDLERS


def _place(tool: Tool) -> str:
    if tool.local:
        return f"{LOCALLY}, and only there"
    return LOCALLY


def _share(served: int, of: int) -> str:
    return "all" if served == of else str(served) if served else "not yet"


def _fill(text: str, name: str, lines: Iterator[str]) -> str:
    begin, end = f"<!-- begin:{name} -->\n", f"<!-- end:{name} -->"
    between = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    filled, count = between.subn(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)
    if count != 1:
        sys.exit(f"a document needs one {begin.strip()} and one {end}")
    return filled


def _documents() -> dict[Path, str]:
    catalog = load_catalog(local=True)
    readme = ROOT / "README.md"
    chosen = ROOT / "docs" / "settings.md"
    installed = ROOT / "docs" / "install.md"
    remote = ROOT / "docs" / "remote.md"
    heading = "# Tools\n\nWritten by `docs/generate.py` from `tool_schemas/`.\n"
    return {
        **_json_schemas(),
        readme: _fill(readme.read_text(), "tools", tools_by_group(catalog)),
        installed: _fill(installed.read_text(), "clients", clients()),
        chosen: _fill(chosen.read_text(), "settings", settings()),
        remote: _fill(remote.read_text(), "settings", remote_settings()),
        ROOT / "docs" / "tools.md": heading + "\n".join(tools(catalog)) + "\n",
    }


_SCHEMAS: Mapping[str, tuple[TypeAdapter[Any], str | None]] = {
    "operation": (OPERATION, None),
    "workflow": (WORKFLOW, None),
    "references": (REFERENCES, "references"),
    "resources": (RESOURCES, "resources"),
    "completions": (COMPLETIONS, "completions"),
    "secrets": (SECRETS, None),
    "utterances": (UTTERANCES, "utterances"),
    "absences": (ABSENCES, "absences"),
    "on_request": (ON_REQUEST, "groups"),
}
"""The kinds of schema files: what declares their shape, and their only member if it has one."""


def _json_schemas() -> dict[Path, str]:
    """The JSON Schema of each kind of file in `tool_schemas/`, for editors."""
    return {
        ROOT / "tool_schemas" / f"{name}.schema.json": _json_schema(adapter, member)
        for name, (adapter, member) in _SCHEMAS.items()
    }


def _json_schema(adapter: TypeAdapter[Any], member: str | None) -> str:
    schema = adapter.json_schema()
    own = {"$schema": {"type": "string"}}
    if member is None:
        schema["properties"] = {**own, **schema["properties"]}
    else:
        definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
        schema = {
            "type": "object",
            "properties": {**own, member: schema},
            "required": [member],
            "additionalProperties": False,
            **definitions,
        }
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **schema}, indent=2) + "\n"


def main() -> int:
    """Write the documents, or say where they are out of date.

    Returns:
        1 when `--check` found a difference, otherwise 0.
    """
    check = "--check" in sys.argv[1:]
    stale = False
    for file, wanted in _documents().items():
        present = file.read_text() if file.exists() else ""
        if present == wanted:
            continue
        if check:
            stale = True
            diff = difflib.unified_diff(present.splitlines(), wanted.splitlines(), file.name, "new")
            sys.stdout.write("\n".join(diff) + "\nRun `make fmt`.\n")
        else:
            file.write_text(wanted)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
