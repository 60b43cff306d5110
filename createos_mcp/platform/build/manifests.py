"""Manifests: the files of an app that say what it is made of, read as strangers wrote them."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import BuildFailedError


def read_text(file: Path) -> str:
    """A text without the mark that some editors begin it with; empty where there is none."""
    return file.read_text("utf-8-sig", errors="replace") if file.is_file() else ""


def read_package(file: Path) -> Mapping[str, Json]:
    """A `package.json`, or one of the same form.

    Raises:
        BuildFailedError: It is not JSON.
    """
    try:
        read = json.loads(read_text(file) or "{}")
    except (ValueError, RecursionError) as error:
        reason = f"{file.name} is not JSON: {error}."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason) from error
    return read if isinstance(read, dict) else {}


def read_toml_manifest(file: Path) -> Mapping[str, Json]:
    """A `pyproject.toml` or `Cargo.toml`.

    Raises:
        BuildFailedError: It is not TOML.
    """
    try:
        return tomllib.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        reason = f"{file.name} is not TOML: {error}."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason) from error


def section(content: Mapping[str, Json], *keys: str) -> dict[str, Json]:
    """A part of a manifest; its own tool complains when it is not what it should be."""
    value: Json = content
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def word(content: Mapping[str, Json], key: str) -> str | None:
    """A member that is a text and not an empty one."""
    value = content.get(key)
    return value.strip() or None if isinstance(value, str) else None


def read_procfile(source: Path) -> Mapping[str, str]:
    """The commands of a Procfile by process type, `{"web": "node web.js"}`."""
    lines = (line.partition(":") for line in read_text(source / "Procfile").splitlines())
    return {name.strip(): command.strip() for name, _, command in lines if command.strip()}
