"""What a command shows: styled on a terminal, plain on a pipe."""

import sys

import anyio
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from createos_mcp.cli.control_characters import clean_json, clean_line

_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
"""Color of a line of a diff by its first character."""


def say(line: str, *, style: str = "") -> None:
    """Write a line for whoever called the command.

    Args:
        line: Shown without control characters; nothing in it is read as markup.
        style: Color on a terminal, `bold green`; `NO_COLOR` turns it off.
    """
    line = clean_line(line)
    if not sys.stdout.isatty():
        sys.stdout.write(f"{line}\n")
        return
    Console(highlight=False).print(Text(line, style=style), soft_wrap=True)


def say_diff(lines: list[str]) -> None:
    """Write the lines of a unified diff."""
    for line in lines:
        say(line, style=_DIFF_STYLES.get(line[:1], ""))


def say_json(document: str) -> None:
    """Write a JSON document, colored on a terminal."""
    document = clean_json(document)
    if sys.stdout.isatty():
        Console(soft_wrap=True).print(JSONHighlighter()(document))
    else:
        sys.stdout.write(f"{document}\n")


def say_progress(line: str) -> None:
    """Tell whoever watches a terminal what a command waits for; a pipe gets results alone."""
    if sys.stderr.isatty():
        text = Text(clean_line(line), style="dim")
        Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def can_ask() -> bool:
    """Whether the user sits in front of the command."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_user(question: str) -> str:
    """The user's answer in one line; empty when there is none."""
    say(question, style="bold")
    try:
        return input("> ").strip()
    except EOFError:
        return ""


async def ask_user_later(question: str) -> str:
    """`ask_user` for the event loop, where a blocking read would keep Ctrl-C from ending it."""
    say(question, style="bold")
    sys.stdout.write("> ")
    sys.stdout.flush()
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip()
