"""Checks of the MCP clients that have the server: each one's own command is started."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import anyio
from mcp import Client as McpClient, StdioServerParameters
from mcp.client.stdio import stdio_client

from createos_mcp.cli.checks import CheckResult
from createos_mcp.cli.install.client_configs import Client, is_there, locate_config
from createos_mcp.cli.install.client_list import CLIENTS
from createos_mcp.cli.install.installation import is_disabled, read_entry
from createos_mcp.contract.errors import ConfigFileError
from createos_mcp.contract.values import Json

START_TIMEOUT_S = 30

_ADD = "Run `createos-mcp install {name}` and restart the client."
_UNFILLED = re.compile(r"\$\{|^\$|^%.*%$|^\{env:")


def check_clients(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """What each client that has an entry would meet; others are not mentioned."""
    for client in CLIENTS:
        if is_there(client, sys.platform, environ):
            yield from _check_client(client, locate_config(client, sys.platform, environ), environ)


def _check_client(client: Client, file: Path, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    name = f"client {client.name}"
    try:
        entry = read_entry(client, file)
    except ConfigFileError as error:
        yield CheckResult(name=name, status="warn", detail=str(error), remedy="Correct the file.")
        return
    if not entry:
        return
    if is_disabled(entry):
        yield CheckResult(
            name=name,
            status="warn",
            detail=f"the entry in {file} is disabled",
            remedy=f"Enable createos in {client.title}.",
        )
        return
    command = _command_of(entry)
    problem = _find_problem(command, environ) or _try_command(command, _variables(entry))
    if problem:
        yield CheckResult(
            name=name,
            status="warn",
            detail=f"{' '.join(command) or 'its entry'}: {problem}",
            remedy=_ADD.format(name=client.name),
        )
        return
    yield CheckResult(
        name=name, status="ok", detail=f"{' '.join(command)} answers. {client.first}".rstrip()
    )


def _command_of(entry: Mapping[str, Json]) -> list[str]:
    """The command of an entry in any client's form; empty when it has none."""
    command = entry.get("command", entry.get("cmd"))
    words = command if isinstance(command, list) else [command, *(entry.get("args") or ())]
    return [str(word) for word in words] if command else []


def _variables(entry: Mapping[str, Json]) -> dict[str, str]:
    """What an entry sets, without what the client would fill in."""
    held = entry.get("env") or entry.get("environment") or {}
    given = held.items() if isinstance(held, dict) else ()
    return {name: str(value) for name, value in given if not _UNFILLED.search(str(value))}


def _find_problem(command: list[str], environ: Mapping[str, str]) -> str:
    if not command:
        return "there is no command"
    if shutil.which(command[0], path=environ.get("PATH")) is None:
        return "the program was not found"
    return ""


def _try_command(command: list[str], variables: Mapping[str, str]) -> str:
    """Start a server as a client does; why it does not answer, or nothing."""
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(variables))
    with Path(os.devnull).open("w") as nowhere:
        return anyio.run(_connect, server, nowhere)


async def _connect(server: StdioServerParameters, errors: TextIO) -> str:
    try:
        with anyio.fail_after(START_TIMEOUT_S):
            async with McpClient(stdio_client(server, errlog=errors), mode="legacy"):
                return ""
    except TimeoutError:
        return f"no answer within {START_TIMEOUT_S} s"
    except Exception as error:  # noqa: BLE001 - whatever a client would meet
        return _reason(error)


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
