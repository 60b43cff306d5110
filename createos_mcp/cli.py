"""The command line: `createos-mcp` serves stdio, `createos-mcp platform ...` runs the platform."""

import argparse
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from functools import partial
from importlib.metadata import version
from typing import Any, NoReturn

import anyio
from anyio import to_thread
from typing_extensions import override

from createos_mcp.errors import CreateosError, NoPlatformHereError, SettingError
from createos_mcp.remote_settings import RemoteSettings
from createos_mcp.settings import CLOUD_URL, Settings, flag
from createos_mcp.target import Credentials, Target

DESCRIPTION = """\
MCP server for CreateOS. Without arguments it serves one client over stdin and stdout.
With CREATEOS_API_KEY set, calls go to the CreateOS cloud; without, to a platform on this machine.
"""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

PLATFORM_COMMANDS = {
    "start": "start the local platform unless it runs, and show where it listens",
    "stop": "stop the local platform and its apps; they start again with it",
    "status": "show where it listens and what it runs; exits with 1 when it does not run",
    "logs": "show the end of the platform's own log",
}

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LOGGERS_WITH_ADDRESSES = ("httpx2", "httpcore2")
"""They log whole addresses, signed ones among them."""


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


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
    command: Callable[[Settings, Mapping[str, str]], int] = given.pop("run")
    flags = {name: value for name, value in given.items() if value is not None}
    environ = dict(os.environ)
    try:
        settings = Settings.from_environ(environ, flags)
        _log_to_stderr(settings.log_level)
        return command(settings, environ)
    except SettingError as error:
        sys.stderr.write(f"createos-mcp: {error}\n")
        return EXIT_USAGE
    except CreateosError as error:
        sys.stderr.write(f"createos-mcp: {error}\n")
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _refuse_unknown_flags(parser: argparse.ArgumentParser, typed: Sequence[str]) -> None:
    """Name a mistyped flag; argparse would complain about what follows it."""
    known = {flag(setting.name) for setting in fields(Settings) if not setting.metadata["secret"]}
    known |= {"--help", "--version"}
    for name in (argument.partition("=")[0] for argument in typed):
        if name.startswith("--") and name not in known:
            near = get_close_matches(name, known, n=1)
            parser.error(
                f"there is no flag {name}" + (f"; did you mean {near[0]}?" if near else "")
            )


def _parser() -> _Parser:
    only_serve = {setting.name for setting in fields(RemoteSettings)}
    options = _options(s for s in fields(Settings) if s.name not in only_serve)
    parser = _Parser(
        prog="createos-mcp",
        description=DESCRIPTION,
        epilog="Each flag has a variable: --read-timeout-s is CREATEOS_READ_TIMEOUT_S. "
        "CREATEOS_API_KEY and CREATEOS_ACCESS_TOKEN have no flag, since flags are public.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version("createos-mcp"))
    parser.set_defaults(run=_serve)
    kinds = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    serve = kinds.add_parser(
        "serve",
        help="serve many callers over HTTP, each with a key of his own",
        description="Serve many callers over HTTP, each with a key of his own.",
        parents=[options, _options(fields(RemoteSettings))],
        allow_abbrev=False,
    )
    serve.set_defaults(run=_serve_callers)
    platform = kinds.add_parser("platform", help="run the local platform", allow_abbrev=False)
    commands = platform.add_subparsers(
        metavar="|".join(PLATFORM_COMMANDS), required=True, parser_class=_Parser
    )
    for name, sentence in PLATFORM_COMMANDS.items():
        command = commands.add_parser(
            name, help=sentence, description=sentence, parents=[options], allow_abbrev=False
        )
        command.set_defaults(run=partial(_manage_platform, name))
    return parser


def _options(settings: Iterable[Field[Any]]) -> _Parser:
    """The flags of these settings, for commands to share."""
    options = _Parser(add_help=False, allow_abbrev=False)
    for setting in settings:
        if not setting.metadata["secret"]:
            options.add_argument(
                flag(setting.name),
                metavar="VALUE",
                default=argparse.SUPPRESS,
                help=f"{setting.metadata['sentence']} Default: "
                f"{setting.metadata['shown'] or setting.default}.",
            )
    return options


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    for name in LOGGERS_WITH_ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)


def _serve(settings: Settings, environ: Mapping[str, str]) -> int:
    # What MCP needs takes most of a start; the platform's commands do without it.
    from createos_mcp.backend import Backend  # noqa: PLC0415
    from createos_mcp.catalog import load_catalog  # noqa: PLC0415
    from createos_mcp.server import build_server  # noqa: PLC0415
    from createos_mcp.transports import serve_stdio  # noqa: PLC0415

    locate = _locator(settings, environ)

    async def serve() -> None:
        async with Backend(
            locate,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            upload_timeout_s=settings.upload_timeout_s,
            total_timeout_s=settings.total_timeout_s,
            attempts=settings.attempts,
            max_answer_bytes=settings.max_answer_bytes,
        ) as backend:
            await serve_stdio(
                build_server(
                    load_catalog(), backend, result_budget_bytes=settings.result_budget_bytes
                )
            )

    anyio.run(serve)
    return 0


def _serve_callers(settings: Settings, environ: Mapping[str, str]) -> int:
    from createos_mcp.remote.serve import serve  # noqa: PLC0415 - as above

    return serve(settings, _locator(settings, environ))


def _locator(settings: Settings, environ: Mapping[str, str]) -> Callable[[], Awaitable[Target]]:
    """Where calls go: known at once, or found by starting the local platform when first needed."""
    if settings.is_local:
        return lambda: to_thread.run_sync(partial(_start_platform, settings, environ))
    credentials = Credentials(api_key=settings.api_key, access_token=settings.access_token)
    target = Target(base_url=settings.api_url or CLOUD_URL, credentials=credentials)

    async def known() -> Target:
        return target

    return known


def _start_platform(settings: Settings, environ: Mapping[str, str]) -> Target:
    _refuse_other_systems()
    # Only a session that calls a tool of the local platform needs it.
    from createos_mcp import local  # noqa: PLC0415

    return local.locate(settings, environ)


def _manage_platform(command: str, settings: Settings, environ: Mapping[str, str]) -> int:
    _refuse_other_systems()
    from createos_mcp import local  # noqa: PLC0415 - as above

    return local.COMMANDS[command](settings, environ)


def _refuse_other_systems() -> None:
    if sys.platform != "linux":
        raise NoPlatformHereError(sys.platform)
