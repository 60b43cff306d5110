"""Manifests: the files of an app that say what it is made of, read as strangers wrote them."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import BuildFailedError

MAX_BYTES = 1024 * 1024
"""Of one file; what tells how an app is built stands at the beginning of far smaller ones."""


def read_text(file: Path) -> str:
    """The beginning of a text without the mark that some editors put first; empty without it."""
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES).decode("utf-8-sig", errors="replace")


_CODE = {".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".go", ".rs"}
_COMMENT = re.compile(
    r"""
    ( "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'? | `(?:\\.|[^`\\])*`? )
    | (?<!\\) (?: //[^\n]* | /\*.*?(?:\*/|\Z) )
    """,
    re.DOTALL | re.VERBOSE,
)
"""A string, which may hold what looks like a comment, or a comment."""


def read_code(file: Path) -> str:
    """The same without comments, where it is a program with those of C: they say what is not so."""
    text = read_text(file)
    if file.suffix not in _CODE:
        return text
    return _COMMENT.sub(_without_comment, text)


def _without_comment(found: re.Match[str]) -> str:
    # What never ends is a part of something else, such as an expression.
    is_open = found[0].startswith("/*") and not found[0].endswith("*/")
    return found[0] if found[1] or is_open else " "


def has_file(source: Path, name: str) -> bool:
    """Whether a name, which may be anything, leads to a file of the app."""
    try:
        file = (source / name).resolve()
        return file.is_relative_to(source.resolve()) and file.is_file()
    except (OSError, ValueError):
        return False


def matching_directories(source: Path, pattern: str) -> list[Path]:
    """The app's directories that a pattern of its own names; none if it is not a pattern."""
    if ".." in Path(pattern).parts or pattern.count("**") > 1:
        return []
    try:
        return sorted(found for found in source.glob(pattern) if found.is_dir())
    except (OSError, ValueError, NotImplementedError):
        return []


def read_package(file: Path) -> Mapping[str, Json]:
    """A `package.json`, or one of the same form.

    Raises:
        BuildFailedError: It is not JSON.
    """
    try:
        read = json.loads(_whole(file) or "{}")
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
        return tomllib.loads(_whole(file))
    except (ValueError, RecursionError) as error:
        reason = f"{file.name} is not TOML: {error}."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason) from error


def _whole(file: Path) -> str:
    if file.is_file() and file.stat().st_size > MAX_BYTES:
        reason = f"{file.name} is larger than {MAX_BYTES // 1024} kB."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason)
    return read_text(file)


def section(content: Mapping[str, Json], *keys: str) -> dict[str, Json]:
    """A part of a manifest; its own tool complains when it is not what it should be."""
    value: Json = content
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def word(content: Mapping[str, Json], key: str) -> str | None:
    """A member that is a text, not an empty one, and can be a command or the name of a file."""
    value = content.get(key)
    text = value.strip() if isinstance(value, str) else ""
    return text if text and can_be_passed_on(text) else None


def can_be_passed_on(text: str) -> bool:
    """Whether the system takes it as an argument."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
