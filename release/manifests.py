"""Writes server.json and release/manifest.json from the project's own data; `--check` compares.

Formats: https://github.com/modelcontextprotocol/registry/tree/main/docs/reference/server-json and
https://github.com/modelcontextprotocol/mcpb/blob/main/MANIFEST.md.
"""

import difflib
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any, TypeAlias

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.server.identity import WEBSITE
from createos_mcp.settings.settings import setting_table, variable_of

Json: TypeAlias = Any

ROOT = Path(__file__).parent.parent
SERVER_FILE = ROOT / "server.json"
MANIFEST_FILE = ROOT / "release" / "manifest.json"

SERVER_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SERVER_NAME = "network.nodeops.createos/createos-mcp"
"""The website's domain in reverse; README.md carries it as a proof of the package's owner."""

MANIFEST_VERSION = "0.4"
"""The first with `uv`, which brings Python and the dependencies itself."""

ASKED = ("api_key", "api_url", "toolsets", "read_only", "project")
"""Settings in the form that a host shows when it installs the bundle."""

_FORMATS: Mapping[type, str] = {bool: "boolean", int: "number", float: "number"}


def server_document() -> Json:
    """What the MCP registry lists: one package, started by uvx over stdio."""
    project = _project()
    package = {
        "registryType": "pypi",
        "identifier": project["name"],
        "version": project["version"],
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "environmentVariables": list(_variables()),
    }
    return {
        "$schema": SERVER_SCHEMA,
        "name": SERVER_NAME,
        "title": "CreateOS",
        "description": project["description"],
        "version": project["version"],
        "websiteUrl": WEBSITE,
        "packages": [package],
    }


def manifest_document() -> Json:
    """What a host reads in the bundle: how to start it, what to ask its user, what it offers."""
    project = _project()
    settings = setting_table()
    environment = {variable_of(name): f"${{user_config.{name}}}" for name in ASKED}
    return {
        "manifest_version": MANIFEST_VERSION,
        "name": project["name"],
        "display_name": "CreateOS",
        "version": project["version"],
        "description": project["description"],
        "author": {"name": "The createos-mcp authors"},
        "homepage": WEBSITE,
        "license": project["license"],
        "server": {
            "type": "uv",
            "entry_point": "launch.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--no-dev", "--directory", "${__dirname}", "launch.py"],
                "env": environment,
            },
        },
        "tools": [
            {"name": tool.name, "description": tool.description} for tool in load_catalog().tools
        ],
        "tools_generated": True,
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": {name: _field(name, settings[name]) for name in ASKED},
    }


def _project() -> Json:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _variables() -> Iterator[Json]:
    """Those that a server over stdio reads."""
    for name, setting in setting_table().items():
        if setting.metadata["group"] in {"server", "oauth"}:
            continue
        entry = {"name": variable_of(name), "description": setting.metadata["help"]}
        if name == "data_dir":
            entry["format"] = "filepath"
        elif type(setting.default) in _FORMATS:
            entry["format"] = _FORMATS[type(setting.default)]
        if setting.metadata["secret"]:
            entry["isSecret"] = True
        yield entry


def _field(name: str, setting: Field[Any]) -> Json:
    switch = {"type": "boolean", "default": setting.default}
    return {
        **(switch if setting.default is False else {"type": "string"}),
        "title": name.replace("_", " ").capitalize(),
        "description": setting.metadata["help"],
        "required": False,
        "sensitive": setting.metadata["secret"],
    }


def main() -> int:
    """Write both, or say where they are out of date.

    Returns:
        1 when `--check` found a difference, otherwise 0.
    """
    check = "--check" in sys.argv[1:]
    stale = False
    documents = {SERVER_FILE: server_document(), MANIFEST_FILE: manifest_document()}
    for file, document in documents.items():
        wanted = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
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
