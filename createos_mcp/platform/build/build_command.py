"""Runs one command of a build and hands on its output line by line."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence

import anyio
import psutil
from anyio.abc import ByteReceiveStream

from createos_mcp.contract.terminal_lines import last_state

MAX_LINE_CHARACTERS = 8192
# A loop that prints without end must not fill the database.
MAX_LINES = 20_000

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")

OnLines = Callable[[Sequence[str]], Awaitable[None]]


async def run_command(command: Sequence[str], *, on_lines: OnLines) -> int:
    """Run a launcher to the end of its step and return the step's exit code.

    Everything of the step ends with it, and when the caller is cancelled.
    """
    process = await anyio.open_process(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={},
        start_new_session=True,
    )
    try:
        if process.stdout is not None:
            await _hand_on(process.stdout, on_lines)
        return await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            _kill_command(process.pid)
            await process.wait()
            await process.aclose()


def bounded(on_lines: OnLines) -> OnLines:
    """Hand on as many lines as one command may have, and say where they were cut."""
    count = 0

    async def hand_on(lines: Sequence[str]) -> None:
        nonlocal count
        if lines and count < MAX_LINES:
            shown = list(lines[: MAX_LINES - count])
            if count + len(lines) >= MAX_LINES:
                shown.append(f"Log truncated after {MAX_LINES} lines.")
            await on_lines(shown)
        count += len(lines)

    return hand_on


async def _hand_on(output: ByteReceiveStream, on_lines: OnLines) -> None:
    rest = b""
    async for chunk in output:
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-MAX_LINE_CHARACTERS:]
        if lines:
            await on_lines([_clean(line) for line in lines])
    if rest:
        await on_lines([_clean(rest)])


def _clean(line: bytes) -> str:
    text = last_state(line.decode(errors="replace"))
    return _UNPRINTABLE.sub("", text)[:MAX_LINE_CHARACTERS]


def _kill_command(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
