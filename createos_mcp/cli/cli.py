"""The command line: `createos-mcp` serves stdio, `createos-mcp platform ...` runs the platform."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn, TypeAlias

from typing_extensions import override

from createos_mcp.cli.commands import COMMANDS, GROUPS, Argument, Command, Invocation
from createos_mcp.contract.errors import CreateosError, NoPlatformHereError, SettingError
from createos_mcp.settings.remote_settings import RemoteSettings
from createos_mcp.settings.settings import Settings, flag

PROGRAM = "createos-mcp"

DESCRIPTION = """\
MCP server for CreateOS. Without arguments it serves one client over stdin and stdout.
With CREATEOS_API_KEY set, calls go to the CreateOS cloud; without, to a platform on this machine.
"""

EPILOG = (
    "Each flag has a variable: --read-timeout-s is CREATEOS_READ_TIMEOUT_S. "
    "CREATEOS_API_KEY and CREATEOS_ACCESS_TOKEN have no flag, since flags are public."
)

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LOGGERS_WITH_CONTENT = ("httpx2", "httpcore2", "mcp.server.sse")
"""They log whole addresses and messages, signed ones and secrets among them."""


_WRONG_WORD = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        wrong = _WRONG_WORD.search(message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong[2])
            near = get_close_matches(wrong[1], known, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            message = f"there is no command {wrong[1]!r}; {remedy}"
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


_AddParser: TypeAlias = Callable[..., _Parser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; by default those of the process.

    Returns:
        The process's exit code: 2 for a bad flag or setting.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    _refuse_unknown_flags(parser, typed)
    given = vars(parser.parse_args(typed))
    command: Command = given.pop("command")
    try:
        return _run(command, given)
    except SettingError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return EXIT_USAGE
    except CreateosError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(command: Command, given: Mapping[str, Any]) -> int:
    environ = dict(os.environ)
    chosen = {setting.name for setting in fields(Settings)}
    flags = {name: value for name, value in given.items() if name in chosen}
    settings, problems = Settings.read(environ, flags)
    if problems and not command.tolerates_bad_settings:
        raise problems[0]
    _log_to_stderr(settings.log_level)
    if command.needs_platform and sys.platform != "linux":
        raise NoPlatformHereError(sys.platform)
    own = {k: v for k, v in given.items() if k not in chosen}
    return command.load()(
        Invocation(settings=settings, environ=environ, given=own, problems=problems)
    )


def _refuse_unknown_flags(parser: argparse.ArgumentParser, typed: Sequence[str]) -> None:
    """Name a mistyped flag; argparse would complain about what follows it."""
    known = {"--help", "--version", *_flags()}
    for name in (argument.partition("=")[0] for argument in typed):
        if name == "--":
            return
        if name.startswith("--") and name not in known:
            near = get_close_matches(name, known, n=1)
            parser.error(
                f"there is no flag {name}" + (f"; did you mean {near[0]}?" if near else "")
            )


def _flags() -> Iterator[str]:
    for setting in fields(Settings):
        if not setting.metadata["secret"]:
            yield flag(setting.name)
    for command in COMMANDS:
        yield from (a.name for a in command.arguments if a.name.startswith("--"))


def _parser() -> argparse.ArgumentParser:
    remote = fields(RemoteSettings)
    names = {setting.name for setting in remote}
    options = _setting_options(setting for setting in fields(Settings) if setting.name not in names)
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [COMMAND ...] [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version("createos-mcp"))
    commands = parser.add_subparsers(metavar="COMMAND", prog=PROGRAM)
    below: dict[str, _AddParser] = {"": commands.add_parser}
    for command in COMMANDS:
        parents = [options, _setting_options(remote)] if command.is_remote else [options]
        target = _add(below, command, parents) if command.name else parser
        for argument in command.arguments:
            target.add_argument(argument.name, help=argument.sentence, **argument.options)
        target.set_defaults(command=command)
    return parser


_SWITCH: Mapping[str, Any] = {"action": "store_const", "const": "true"}
_VALUE: Mapping[str, Any] = {"metavar": "VALUE"}
"""How argparse takes a setting that is on or off, and any other."""


def _setting_options(settings: Iterable[Field[Any]]) -> _Parser:
    """The flags of these settings, for commands to share."""
    options = _Parser(add_help=False, allow_abbrev=False)
    for setting in settings:
        if not setting.metadata["secret"]:
            kind = _SWITCH if setting.default is False else _VALUE
            options.add_argument(
                flag(setting.name),
                **kind,
                default=argparse.SUPPRESS,
                help=f"{setting.metadata['sentence']} Default: "
                f"{setting.metadata['shown'] or setting.default}.",
            )
    return options


def _add(below: dict[str, _AddParser], command: Command, parents: Sequence[_Parser]) -> _Parser:
    """A parser for one command, below those of the words before its last."""
    group, _, word = command.name.rpartition(" ")
    return _group_parser(below, group)(
        word,
        usage=_usage(command),
        help=command.sentence,
        description=command.sentence,
        parents=parents,
        allow_abbrev=False,
    )


def _usage(command: Command) -> str:
    """`createos-mcp call tool [name=value ...] [FLAG ...]`; the flags are listed below it."""
    named = [a for a in command.arguments if not a.name.startswith("-")]
    return " ".join([PROGRAM, command.name, *map(_shown, named), "[FLAG ...]"])


def _shown(argument: Argument) -> str:
    name: str = argument.options.get("metavar", argument.name)
    forms = {"*": f"[{name} ...]", "?": f"[{name}]"}
    return forms.get(argument.options.get("nargs", ""), name)


def _group_parser(below: dict[str, _AddParser], name: str) -> _AddParser:
    if name not in below:
        above, _, word = name.rpartition(" ")
        words = _words_below(name)
        usage = f"{PROGRAM} {name} {words} [FLAG ...]"
        parser = _group_parser(below, above)(
            word, usage=usage, help=GROUPS[name], allow_abbrev=False
        )
        commands = parser.add_subparsers(metavar=words, required=True, prog=f"{PROGRAM} {name}")
        below[name] = commands.add_parser
    return below[name]


def _words_below(group: str) -> str:
    """What may follow the words of a group: `start|stop|status|logs`."""
    prefix = f"{group} "
    below = [c.name.removeprefix(prefix) for c in COMMANDS if c.name.startswith(prefix)]
    return "|".join(dict.fromkeys(name.partition(" ")[0] for name in below))


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    for name in LOGGERS_WITH_CONTENT:
        logging.getLogger(name).setLevel(logging.WARNING)
