"""The server over stdio: its client is greeted first, and everything else imported after that."""

import gc
import os
import select
import signal
import stat
import sys
from importlib import import_module
from threading import Thread
from types import FrameType

from createos_mcp.cli.commands import Invocation, load_function
from createos_mcp.contract.schema_directory import read_instructions, schema_directory
from createos_mcp.server.greeting import Greeting, greet

_ON_A_TERMINAL = """\
createos-mcp serves MCP over stdin and stdout and is started by an MCP client.
To configure your clients: createos-mcp install. All commands: createos-mcp --help. End with Ctrl-C.
"""

_SESSION = "createos_mcp.cli.stdio_session:serve_client"
"""Takes most of a start to import."""


def serve_stdio(invocation: Invocation) -> int:
    """Serve one client, in either protocol version, until stdin ends.

    SIGINT and SIGTERM end the process at once, with 130 and 143.
    """
    # What is imported stays: looking for garbage in it takes a tenth of a start.
    gc.disable()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    if sys.stdin.isatty():
        sys.stderr.write(_ON_A_TERMINAL)
    greeting = _greet(invocation) if _can_greet(invocation) else Greeting()
    # It reads certificates meanwhile, without Python's lock.
    Thread(target=import_module, args=("aiohttp",), daemon=True).start()
    load_function(_SESSION)(invocation, greeting)
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    sys.stderr.flush()
    # A thread may sit in a read of stdin that cannot be interrupted.
    os._exit(128 + number)


def _can_greet(invocation: Invocation) -> bool:
    """Whether a client waits at a pipe, and nothing is left to find wrong with the settings."""
    settings = invocation.settings
    chosen = settings.toolsets or settings.tools or settings.exclude_tools
    kinds = (stat.S_ISFIFO, stat.S_ISSOCK)
    piped = all(any(kind(os.fstat(end).st_mode) for kind in kinds) for end in (0, 1))
    return sys.platform != "win32" and not chosen and piped


def _greet(invocation: Invocation) -> Greeting:
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    if not waiting.poll(0):
        # A client that takes its time: meanwhile the rest is imported.
        Thread(target=load_function, args=(_SESSION,), daemon=True).start()
    return greet(0, 1, read_instructions(schema_directory(), local=invocation.settings.is_local))
