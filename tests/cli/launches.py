"""The server and its command line as processes: launched, run once, or met by a client."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from mcp import Client, StdioServerParameters

from tests.eras import Era

COMMAND = [sys.executable, "-m", "createos_mcp"]


def environ(**settings: str) -> dict[str, str]:
    """This process's variables with only these settings."""
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    return {**others, **settings}


@asynccontextmanager
async def agent(era: Era, **settings: str) -> AsyncIterator[Client]:
    """A client that launches the server as an agent would."""
    command, *arguments = COMMAND
    server = StdioServerParameters(command=command, args=arguments, env=environ(**settings))
    async with Client(server, mode=era) as client:
        yield client


@contextmanager
def launched(
    *arguments: str, before: tuple[str, ...] = (), **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """The program with its pipes in our hands; `before` is put in front of its command."""
    with subprocess.Popen(
        [*before, *COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(**settings),
    ) as server:
        try:
            yield server
        finally:
            server.kill()


def run(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line with this and no more on stdin, and with only these settings."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ(**variables),
    )
