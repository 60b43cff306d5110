"""The command line: `createos-mcp` serves stdio, `createos-mcp platform ...` runs the platform."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn, TypeAlias

from typing_extensions import override

from createos_mcp.cli.command_list import COMMANDS, GROUPS, SETTING_TITLES
from createos_mcp.cli.commands import Argument, Command, Invocation, load_function
from createos_mcp.cli.control_characters import clean_line
from createos_mcp.contract.errors import CreateosError, NoPlatformHereError, SettingError
from createos_mcp.settings.settings import (
    Settings,
    flag,
    setting_table,
    unknown_variables,
    variable_of,
)

PROGRAM = "createos-mcp"

DESCRIPTION = """\
MCP server for CreateOS. Without a command it serves one MCP client over stdin and stdout.
With CREATEOS_API_KEY set, calls go to the CreateOS cloud; without, to a platform on this machine.
"""

EPILOG = (
    "Every setting is also a variable: --read-timeout-s is CREATEOS_READ_TIMEOUT_S. Keys and "
    "tokens cannot be given as flags, because other users can see command lines; set "
    "CREATEOS_API_KEY or CREATEOS_ACCESS_TOKEN. All settings: docs/settings.md."
)

# As argparse and most Unix tools: https://docs.python.org/3/library/argparse.html#exiting-methods
EXIT_USAGE = 2
# 128 and the number of the signal, as shells report it:
# https://tldp.org/LDP/abs/html/exitcodes.html
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LOGGERS_WITH_CONTENT = ("httpx2", "httpcore2", "mcp.server.sse")
"""They log whole addresses and messages, signed ones and secrets among them."""

COMPLETING = "_ARGCOMPLETE"
"""Set by a shell that asks for completions."""

_NEAR = 0.8
"""How alike a mistyped flag and a known one have to be for a guess."""

_WRONG_WORD = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_MISSING = re.compile(r"the following arguments are required: (.*)")

_logger = logging.getLogger(__name__)


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        wrong, missing = _WRONG_WORD.search(message), _MISSING.search(message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong[2])
            near = get_close_matches(wrong[1], known, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            message = f"there is no command {wrong[1]!r}; {remedy}"
        elif missing:
            message = f"missing argument: {missing[1].partition(',')[0]}"
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


_AddParser: TypeAlias = Callable[..., _Parser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; by default those of the process.

    Returns:
        The process's exit code: 2 for a bad flag or setting, 130 after Ctrl-C.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    parser = _parser(None if COMPLETING in os.environ else frozenset(typed))
    if COMPLETING in os.environ:
        # A shell asks at each press of Tab; nobody else pays for this import.
        import argcomplete  # noqa: PLC0415

        argcomplete.autocomplete(parser)
    _refuse_unknown_flags(parser, typed)
    given = vars(parser.parse_args(typed))
    command: Command = given.pop("command")
    own_parser: _Parser = given.pop("parser")
    if command.explains_itself and not given.get("tool"):
        _explain_usage(own_parser, asked=given["help"])
    return _run_to_the_end(command, given)


def _explain_usage(parser: _Parser, *, asked: bool) -> NoReturn:
    if not asked:
        parser.error("missing argument: tool. `createos-mcp tools` lists the tools")
    parser.print_help()
    parser.exit()


def _run_to_the_end(command: Command, given: Mapping[str, Any]) -> int:
    """Run a command; whatever stops it is one sentence on stderr."""
    try:
        code = _run(command, given)
        sys.stdout.flush()
    except SettingError as error:
        sys.stderr.write(clean_line(f"{PROGRAM}: {error}\n"))
        return EXIT_USAGE
    except CreateosError as error:
        sys.stderr.write(clean_line(f"{PROGRAM}: {error}\n"))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{command.interrupted}\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at its end (https://docs.python.org/3/library/signal.html).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CLOSED_PIPE
    return code


def _run(command: Command, given: Mapping[str, Any]) -> int:
    environ = dict(os.environ)
    chosen = setting_table().keys()
    flags = {name: value for name, value in given.items() if name in chosen}
    own_settings = _own_settings(command)
    settings, problems = Settings.read(
        environ,
        flags,
        spell=lambda name: flag(_bare(command, name) if name in own_settings else name),
    )
    if problems and not command.tolerates_bad_settings:
        raise problems[0]
    _log_to_stderr(settings.log_level)
    if not command.tolerates_bad_settings:
        for warning in unknown_variables(environ):
            _logger.warning(warning)
    if command.needs_platform and sys.platform != "linux":
        raise NoPlatformHereError(sys.platform)
    own = {name: value for name, value in given.items() if name not in chosen}
    return command.load()(
        Invocation(settings=settings, environ=environ, given=own, problems=problems)
    )


def _refuse_unknown_flags(parser: argparse.ArgumentParser, typed: Sequence[str]) -> None:
    """Name a mistyped flag; argparse would complain about what follows it."""
    secret = {flag(name): name for name, row in setting_table().items() if row.metadata["secret"]}
    known = {"--help", "--version", *_flags()}
    for name in (argument.partition("=")[0] for argument in typed):
        if name == "--":
            return
        if name in secret:
            parser.error(
                f"{name} is not a flag, because other users can see command lines; "
                f"set {variable_of(secret[name])}"
            )
        if name.startswith("--") and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=_NEAR)
            remedy = f"; did you mean {near[0]}?" if near else ""
            parser.error(f"there is no flag {name}{remedy}")


def _flags() -> Iterator[str]:
    for name in _flag_settings():
        yield flag(name)
    for command in COMMANDS:
        yield from (a.name for a in command.arguments if a.name.startswith("--"))
        yield from (flag(_bare(command, name)) for name in _own_settings(command))


def _flag_settings() -> Mapping[str, Field[Any]]:
    """The settings that have a flag."""
    return {name: row for name, row in setting_table().items() if not row.metadata["secret"]}


def _own_settings(command: Command) -> list[str]:
    prefix = command.own_prefix
    return [name for name in _flag_settings() if prefix and name.startswith(prefix)]


def _bare(command: Command, name: str) -> str:
    return name.removeprefix(command.own_prefix) if command.own_prefix else name


def _parser(words: frozenset[str] | None) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        words: What was typed; commands that are not among it get no arguments, which takes time.
            None for all of them.
    """
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [COMMAND ...] [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version("createos-mcp"))
    commands = parser.add_subparsers(metavar="COMMAND", prog=PROGRAM, title="commands")
    below: dict[str, _AddParser] = {"": commands.add_parser}
    for command in COMMANDS:
        target = _add(below, command) if command.name else parser
        if words is None or words.issuperset(command.name.split()):
            _add_arguments(target, command)
        target.set_defaults(command=command, parser=target)
    return parser


def _add_arguments(parser: _Parser, command: Command) -> None:
    """The command's own arguments first, then the settings that it reads, in groups."""
    for argument in command.arguments:
        _add_argument(parser, argument)
    settings = _flag_settings()
    own = _own_settings(command)
    for name in own:
        _add_setting(parser, name, settings[name], flag(_bare(command, name)))
    listed = [name for name in settings if name not in own]
    for group in command.reads:
        in_group = [name for name in listed if settings[name].metadata["group"] == group]
        if in_group:
            section = parser.add_argument_group(SETTING_TITLES[group])
            for name in in_group:
                _add_setting(section, name, settings[name], flag(name))
    for name in settings:
        if name in own or settings[name].metadata["group"] not in command.reads:
            _add_setting(parser, name, settings[name], flag(name), hidden=True)


def _add_argument(parser: _Parser, argument: Argument) -> None:
    names = (argument.short, argument.name) if argument.short else (argument.name,)
    action = parser.add_argument(*names, help=argument.help, **argument.options)
    if argument.completer and COMPLETING in os.environ:
        # Where a completer is looked for:
        # https://kislyuk.github.io/argcomplete/#specifying-completers
        action.completer = load_function(argument.completer)  # type: ignore[attr-defined]


def _add_setting(
    parser: argparse._ActionsContainer,
    name: str,
    row: Field[Any],
    shown: str,
    *,
    hidden: bool = False,
) -> None:
    default = row.metadata["default_text"] or f"{row.default}"
    kind: Mapping[str, Any] = {"metavar": _metavar(name)}
    if row.default is False:
        kind = {"action": "store_const", "const": "true"}
    parser.add_argument(
        shown,
        dest=name,
        **kind,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS
        if hidden
        else f"{row.metadata['help']} Default: {default}.".replace("%", "%%"),
    )


_UNITS = {"s": "SECONDS", "bytes": "BYTES", "port": "PORT", "days": "DAYS", "url": "URL"}


def _metavar(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "VALUE")


def _add(below: dict[str, _AddParser], command: Command) -> _Parser:
    """A parser for one command, below those of the words before its last."""
    group, _, word = command.name.rpartition(" ")
    return _group_parser(below, group)(
        word,
        usage=_usage(command),
        help=command.help,
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        allow_abbrev=False,
        add_help=not command.explains_itself,
    )


def _usage(command: Command) -> str:
    """`createos-mcp call TOOL [name=value ...] [FLAG ...]`; the flags are listed below it."""
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
    return "|".join(dict.fromkeys(_next_words(group, (c.name for c in COMMANDS))))


def _next_words(group: str, names: Iterable[str]) -> Iterator[str]:
    prefix = f"{group} "
    for name in names:
        if name.startswith(prefix):
            yield name.removeprefix(prefix).partition(" ")[0]


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    for name in LOGGERS_WITH_CONTENT:
        logging.getLogger(name).setLevel(logging.WARNING)
