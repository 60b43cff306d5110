"""What a command of the command line is, and what one run of it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from createos_mcp.contract.errors import SettingError
from createos_mcp.contract.setting_rows import Group
from createos_mcp.settings.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One run of a command: what was chosen, and what the command was given."""

    settings: Settings
    environ: Mapping[str, str]
    given: Mapping[str, Any] = field(default_factory=dict)
    """Values of the command's own arguments, by their names: `{"json": True}` for `--json`."""
    problems: tuple[SettingError, ...] = ()
    """Settings that cannot be used, for a command that tolerates them."""


Run: TypeAlias = Callable[[Invocation], int]
"""Runs a command and returns the process's exit code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """What one command takes in addition to the settings."""

    name: str
    """`--json` for a flag, `name` for a positional argument."""
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `argparse.ArgumentParser.add_argument`: `{"action": "store_true"}`."""
    short: str = ""
    """`-f`."""
    completer: str = ""
    """Path of what lists its values for a shell, `module:function`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command."""

    name: str
    """Its words: `platform start`; empty for what runs without a command."""
    help: str
    run: str
    """Path of its `Run`, `module:function`, imported when it is called: serving starts fast."""
    arguments: tuple[Argument, ...] = ()
    reads: tuple[Group, ...] = ()
    """Settings that its help lists."""
    own_prefix: str = ""
    """Settings with this prefix are its own: `--host` stands for `--serve-host`."""
    needs_platform: bool = False
    """Whether it works with the local platform, and so on Linux alone."""
    tolerates_bad_settings: bool = False
    """Whether it also runs when settings cannot be used, and reports them itself."""
    explains_itself: bool = False
    """Whether `--help` is an argument of its own."""
    interrupted: str = "Interrupted."
    """What Ctrl-C says: what was stopped, and what goes on."""

    def load(self) -> Run:
        """Import what the command runs."""
        run: Run = load_function(self.run)
        return run


def load_function(path: str) -> Callable[..., Any]:
    """Import `module:function`."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def switch(name: str, text: str, short: str = "") -> Argument:
    """A flag without a value."""
    return Argument(name=name, help=text, options={"action": "store_true"}, short=short)
