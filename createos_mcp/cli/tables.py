"""Tables: drawn on a terminal, aligned plain text on a pipe."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from createos_mcp.cli.control_characters import clean_line
from createos_mcp.cli.terminal import say

_GAP = "  "

_PIPE_COLUMNS = 120
"""Where sentences at the end of a line are cut on a pipe."""


def write_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, prose: str | None = None
) -> None:
    """Write rows under their columns to stdout; a table without rows writes nothing.

    On a pipe each row is one line, whatever its length, so that `grep` and `awk` can read it. On
    a terminal a row that does not fit is a block of lines, so that no address is broken.

    Args:
        columns: Their titles.
        rows: Cells by column.
        prose: The last column, where its cells are sentences: wrapped on a terminal, cut on a pipe.
    """
    if not rows:
        return
    rows = [[clean_line(cell) for cell in row] for row in rows]
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if not sys.stdout.isatty():
        _write_aligned(lines, widths, cut_last=prose is not None)
    elif prose or sum(widths) + len(_GAP) * len(widths) <= Console().width:
        _draw_table(columns, rows, prose)
    else:
        _write_blocks(columns, rows)


def _write_aligned(
    lines: Sequence[Sequence[str]], widths: Sequence[int], *, cut_last: bool
) -> None:
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text = _GAP.join(padded).rstrip()
        is_long = cut_last and len(text) > _PIPE_COLUMNS
        sys.stdout.write((text[: _PIPE_COLUMNS - 1] + "…" if is_long else text) + "\n")


def _draw_table(columns: Sequence[str], rows: Sequence[Sequence[str]], prose: str | None) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column != prose)
    for row in rows:
        table.add_row(*row)
    # Cells hold text of users: no markup, no emoji names.
    Console(markup=False, emoji=False, highlight=False).print(table)


def _write_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, columns))
    for row in rows:
        say(row[0], style="bold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            say(f"{_GAP}{column.lower().ljust(width)}{_GAP}{cell}")
