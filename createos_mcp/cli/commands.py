"""The commands of the command line: one row each, with the code that it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from createos_mcp.contract.errors import SettingError
from createos_mcp.settings.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One run of a command: what was chosen, and what the command was given."""

    settings: Settings
    environ: Mapping[str, str]
    given: Mapping[str, Any] = field(default_factory=dict)
    """Values of the command's own arguments, by their names: `{"json": True}` for `--json`."""
    problems: tuple[SettingError, ...] = ()
    """Settings that cannot be used, for a command that takes them."""


Run: TypeAlias = Callable[[Invocation], int]
"""Does what a command says and returns the process's exit code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """What one command takes beside the settings."""

    name: str
    """`--json` for a flag, `name` for a place."""
    sentence: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `argparse.ArgumentParser.add_argument`: `{"action": "store_true"}`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command."""

    name: str
    """Its words: `platform start`; empty for what runs without a command."""
    sentence: str
    run: str
    """Place of its `Run`, `module:function`, imported when it is called: serving starts fast."""
    arguments: tuple[Argument, ...] = ()
    needs_platform: bool = False
    """Whether it works with the local platform, and so on Linux alone."""
    is_remote: bool = False
    """Whether it takes the flags of the settings for many callers."""
    tolerates_bad_settings: bool = False
    """Whether it runs also when settings cannot be used, and tells about them itself."""

    def load(self) -> Run:
        """Import what the command runs."""
        module, _, function = self.run.partition(":")
        run: Run = getattr(import_module(module), function)
        return run


GROUPS: Mapping[str, str] = {
    "platform": "run the local platform",
    "platform user": "say who may use the local platform",
}
"""Words that commands share, and what those commands have in common."""


def _switch(name: str, sentence: str) -> Argument:
    return Argument(name=name, sentence=sentence, options={"action": "store_true"})


_AS_JSON = _switch("--json", "Answer with JSON, for programs.")

COMMANDS: tuple[Command, ...] = (
    Command(
        name="",
        sentence="serve one client over stdin and stdout",
        run="createos_mcp.cli.stdio:serve",
    ),
    Command(
        name="serve",
        sentence="serve many callers over HTTP, each with a key of their own",
        run="createos_mcp.cli.serve:serve",
        is_remote=True,
    ),
    Command(
        name="install",
        sentence="put the server into the configuration of your clients, after showing the change",
        run="createos_mcp.cli.install.install:install",
        arguments=(
            Argument(
                name="clients",
                sentence="claude-code, claude-desktop, cursor, vscode, windsurf, codex, gemini, "
                "opencode; by default those that are found.",
                options={"nargs": "*", "metavar": "CLIENT"},
            ),
            _switch("--yes", "Write without asking."),
            _switch("--dry-run", "Show the change and write nothing."),
            _switch("--uninstall", "Take the server out."),
            _switch("--project-scope", "Write into the project in this directory, not for you."),
            Argument(
                name="--with-key",
                sentence="Name of the variable that holds your key; the clients hand it on, "
                "and no file holds the key.",
                options={"metavar": "NAME"},
            ),
        ),
    ),
    Command(
        name="doctor",
        sentence="check the settings, the key, the platform and this machine; "
        "exits with 1 when something fails",
        run="createos_mcp.cli.doctor:examine",
        arguments=(_AS_JSON,),
        tolerates_bad_settings=True,
    ),
    Command(
        name="tools",
        sentence="show the tools that the settings offer",
        run="createos_mcp.cli.tool_list:show",
        arguments=(_AS_JSON,),
    ),
    Command(
        name="call",
        sentence="call one tool and show what it answers; exits with 1 when that is an error",
        run="createos_mcp.cli.tool_call:call",
        arguments=(
            Argument(name="tool", sentence="Its name, as `createos-mcp tools` shows it."),
            Argument(
                name="arguments",
                sentence="name=value; name=@file takes the value from a file and name:=value "
                "as JSON; @- is stdin.",
                options={"nargs": "*", "metavar": "name=value"},
            ),
        ),
    ),
    Command(
        name="platform start",
        sentence="start the local platform unless it runs, and show where it listens",
        run="createos_mcp.cli.local_status:start",
        needs_platform=True,
    ),
    Command(
        name="platform stop",
        sentence="stop the local platform and its apps; they start again with it",
        run="createos_mcp.cli.local:stop",
        needs_platform=True,
    ),
    Command(
        name="platform status",
        sentence="show where it listens and what it runs; exits with 1 when it does not run",
        run="createos_mcp.cli.local_status:show",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
    Command(
        name="platform logs",
        sentence="show the end of the platform's own log, or what a deployment printed",
        run="createos_mcp.cli.local:show_log",
        arguments=(
            Argument(
                name="deployment",
                sentence="ID of a deployment whose logs are shown instead, a deleted one's too.",
                options={"nargs": "?"},
            ),
        ),
        needs_platform=True,
    ),
    Command(
        name="platform user add",
        sentence="let another user in, and show their API key, this once",
        run="createos_mcp.cli.local_users:add",
        arguments=(Argument(name="name", sentence="A name that no user has yet."), _AS_JSON),
        needs_platform=True,
    ),
    Command(
        name="platform user list",
        sentence="show who may use the local platform",
        run="createos_mcp.cli.local_users:show",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
)
