"""Arguments of a call as they are typed: `name=value`, `name:=json`, and `@file` for either."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from createos_mcp.contract.errors import ArgumentTextError
from createos_mcp.contract.values import Arguments, Json

_STDIN = "@-"


def read_cli_arguments(typed: Sequence[str]) -> Arguments:
    """The arguments of a call.

    A value is a text, which the tool's schema reads as the type that it takes: `port=3000`.

    Args:
        typed: `["project_id=my-app", "settings:={}", "content=@index.html"]`.

    Raises:
        ArgumentTextError: One cannot be read; it says which and what was expected.
    """
    arguments: Arguments = {}
    for text in typed:
        name, value = _read_cli_value(text)
        if name in arguments:
            reason = f'given twice; for several values write {name}:=\'["a", "b"]\''
            raise ArgumentTextError(name, reason)
        arguments[name] = value
    return arguments


def _read_cli_value(text: str) -> tuple[str, Json]:
    head, equals, value = text.partition("=")
    name = head.removesuffix(":")
    if not equals or not name:
        raise ArgumentTextError(text, "expected name=value, name:=json or name=@file")
    if value.startswith("@"):
        value = _read_value_file(name, value)
    return name, _parse_cli_json(name, value) if head.endswith(":") else value


def _read_value_file(name: str, value: str) -> str:
    try:
        return sys.stdin.read() if value == _STDIN else Path(value[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ArgumentTextError(name, f"{value[1:]} is not UTF-8") from None
    except OSError as error:
        reason = f"{value[1:]} cannot be read: {error.strerror}"
        remedy = "to pass a value that begins with @, write it as JSON: " + f"{name}:='\"@...\"'"
        raise ArgumentTextError(name, f"{reason}; {remedy}") from None


def _parse_cli_json(name: str, value: str) -> Json:
    try:
        return json.loads(value)
    except ValueError as error:
        reason = f"not valid JSON: {error}; for a string write {name}=..."
        raise ArgumentTextError(name, reason) from None
