"""Terminal lines: what a line of output looks like once a terminal has obeyed all that is in it.

Sequences are those of https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. A line is read
alone: moves to other lines stay within it.
"""

import re

WIDEST = 512
"""How far right a cursor can be moved beyond the text, in columns."""

_PART = re.compile(
    r"\x1b\[(?P<numbers>[0-9;]*)(?P<command>[A-Za-z@`])"  # moves and erasures
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # the other control sequences
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|(?P<move>[\r\b])"
    r"|(?P<text>[^\x1b\r\b]+|\x1b)"
)


def last_state(line: str) -> str:
    """A line as it stands at its end: overwritten where it was, without colors, titles and links.

    Characters that move nothing are kept, form feeds and U+2028 among them.
    """
    if not any(sign in line for sign in "\x1b\r\b"):
        return line
    cells: list[str] = []
    column = 0
    for part in _PART.finditer(line):
        if text := part["text"]:
            shown = text.replace("\x1b", "")
            cells += " " * (column - len(cells))
            cells[column : column + len(shown)] = shown
            column += len(shown)
        elif move := part["move"]:
            column = 0 if move == "\r" else max(column - 1, 0)
        elif command := part["command"]:
            column = _obey(command, part["numbers"].split(";"), cells, column)
    return "".join(cells)


def _obey(command: str, numbers: list[str], cells: list[str], column: int) -> int:
    """Change the cells as a control sequence says, and return the new column."""
    furthest = max(WIDEST, len(cells))
    first, last = (min(int(number[:6] or 1), furthest) for number in (numbers[0], numbers[-1]))
    match command:
        case "K" | "J" | "X" | "P":
            _erase(command, numbers[0] or "0", first, cells, column)
            return column
        case "C" | "D":
            moved = column + (first if command == "C" else -first)
        case "G" | "`":
            moved = first - 1
        case "H" | "f":
            moved = last - 1 if len(numbers) > 1 else 0
        case "E" | "F":
            moved = 0
        case _:
            moved = column
    return min(max(moved, 0), furthest)


def _erase(command: str, extent: str, count: int, cells: list[str], column: int) -> None:
    match command, extent:
        case "X", _:
            cells[column : column + count] = " " * len(cells[column : column + count])
        case "P", _:
            del cells[column : column + count]
        case _, "0":
            del cells[column:]
        case _, "1":
            cells[: column + 1] = " " * len(cells[: column + 1])
        case _:
            cells.clear()
