"""Tables: drawn on a terminal, aligned plain text on a pipe."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_GAP = "  "


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows under their columns to stdout; a table without rows writes nothing.

    On a pipe each row is one line, whatever its length, so that `grep` and `awk` can read it.
    """
    if not rows:
        return
    if sys.stdout.isatty():
        _draw_table(columns, rows)
        return
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(_GAP.join(padded).rstrip() + "\n")


def _draw_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # What stands in a cell is text of users: no markup, no emoji names.
    Console(markup=False, emoji=False, highlight=False).print(table)
