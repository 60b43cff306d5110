"""The command `deploy`: a folder goes live, and its build is shown as it comes."""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import anyio
import mcp_types
from mcp import Client
from mcp.shared.exceptions import MCPError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.composition import open_offer
from createos_mcp.cli.control_characters import clean_line
from createos_mcp.cli.terminal import can_ask, say
from createos_mcp.cli.tool_call import ask_person, result_text
from createos_mcp.contract.errors import ToolRefusedError, UserRefusedError
from createos_mcp.contract.values import Json
from createos_mcp.server.server import build_server
from createos_mcp.workflows.by_hand import DEPLOY, deploy_arguments

_MIN_NAME, _MAX_NAME = 4, 32
_STATES = frozenset(
    {"queue", "building", "deploying", "deployed", "sleeping"}
    | {"build_error", "crashing", "error", "cancelled"}
)

"""Notices that say what the deployment is doing; all others are lines of its build."""


class View(Protocol):
    """Where a deployment is watched."""

    def line(self, text: str) -> None:
        """Show a line of the build."""

    def state(self, text: str) -> None:
        """Show what the deployment is doing."""


def deploy_command(invocation: Invocation) -> int:
    """Deploy a folder; 1 when it does not go live.

    Raises:
        UserRefusedError: There is no such folder, or its name is not one of a project.
        ToolRefusedError: Nothing was deployed.
    """
    directory = Path(invocation.given["directory"]).expanduser().resolve()
    if not directory.is_dir():
        raise UserRefusedError(f"{directory} is not a folder.")
    project = invocation.given.get("name") or _name_of(directory)
    arguments = deploy_arguments(str(directory), project, invocation.given.get("environment"))
    began = time.monotonic()
    with _view(project) as view:
        result = anyio.run(_deploy, _allowing(invocation, directory), arguments, view)
    if isinstance(result, MCPError):
        raise ToolRefusedError(str(result)) from result
    if result.is_error:
        raise ToolRefusedError(result_text(result))
    return _tell(result.structured_content or {}, time.monotonic() - began)


def _name_of(directory: Path) -> str:
    """A project's name made of a folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")[:_MAX_NAME].strip("-")
    if len(name) < _MIN_NAME:
        raise UserRefusedError(
            f"The folder's name {directory.name!r} is too short for a project; add --name NAME."
        )
    return name


def _allowing(invocation: Invocation, directory: Path) -> Invocation:
    """The same run, with the folder that the user named among those that may be read."""
    roots = (*invocation.settings.deploy_roots, directory)
    return replace(invocation, settings=replace(invocation.settings, deploy_roots=roots))


async def _deploy(
    invocation: Invocation, arguments: Mapping[str, Json], view: View
) -> mcp_types.CallToolResult | MCPError:
    async def show(
        progress: float,  # noqa: ARG001 - it is named by the SDK's protocol
        total: float | None,  # noqa: ARG001
        message: str | None,
    ) -> None:
        text = message or ""
        (view.state if text.removeprefix("still ") in _STATES else view.line)(text)

    asking = ask_person if can_ask() else None
    async with (
        open_offer(invocation, whole_build=True) as offer,
        Client(build_server(offer), elicitation_callback=asking) as client,
    ):
        try:
            return await client.call_tool(DEPLOY, dict(arguments), progress_callback=show)
        except MCPError as error:
            # Raised in here it would leave the client's task group as one of several.
            return error


@contextmanager
def _view(project: str) -> Iterator[View]:
    if not sys.stdout.isatty():
        yield _Pipe()
        return
    console = Console(highlight=False, markup=False, emoji=False)
    progress = Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with progress:
        yield _Terminal(project, progress)


class _Pipe:
    def line(self, text: str) -> None:
        say(text)
        sys.stdout.flush()

    def state(self, text: str) -> None:
        say(f"-- {text}")
        sys.stdout.flush()


class _Terminal:
    """Lines that scroll, above one that says what goes on."""

    def __init__(self, project: str, progress: Progress) -> None:
        self._project = project
        self._progress = progress
        self._task = progress.add_task(project, total=None)

    def line(self, text: str) -> None:
        self._progress.console.print(Text(clean_line(text)), soft_wrap=True)

    def state(self, text: str) -> None:
        self._progress.update(self._task, description=f"{self._project}  {text}")


def _tell(verdict: Mapping[str, Json], seconds: float) -> int:
    made = verdict.get("source", {}).get("generatedVariables", ())
    if made:
        say(f"Made up and set as variables: {', '.join(map(str, made))}")
    version = f"v{verdict['version']} " if "version" in verdict else ""
    if verdict.get("live"):
        where = verdict.get("url") or "a worker, without an address"
        say(f"{version}live after {seconds:.1f} s: {where}", style="bold green")
        return 0
    reason = verdict.get("cause") or verdict.get("reason") or verdict.get("status")
    say(f"{version}{verdict.get('status')} after {seconds:.1f} s: {reason}", style="bold red")
    say(str(verdict.get("next", "")))
    return 1
