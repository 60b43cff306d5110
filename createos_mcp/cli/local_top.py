"""The command `platform top`: what runs, as a table that keeps itself up to date."""

import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.control_characters import clean_line
from createos_mcp.cli.local import config_of
from createos_mcp.cli.local_api import read_apps
from createos_mcp.cli.local_status import show_newest
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon

INTERVAL_S = 1.0

_COLUMNS = ("APP", "STATE", "REPLICAS", "MEMORY", "REQ/MIN", "5XX", "NEWEST", "ADDRESS")
_DROPPED = ("ADDRESS", "NEWEST", "MEMORY")
"""In this order, where a terminal is too narrow for all of them."""

_NUMBERS = frozenset({"REPLICAS", "MEMORY", "REQ/MIN", "5XX"})
_STYLES = {"deployed": "green", "sleeping": "dim", "stopped": "dim", "-": "dim"}
_BUSY = {"queue", "building", "deploying"}


def show_top(invocation: Invocation) -> int:
    """Show the table until the time is over or Ctrl-C; on a pipe once. 1 when nothing runs."""
    data_dir = config_of(invocation.settings).data_dir
    state = daemon.find_running(data_dir)
    if state is None:
        say("The platform is not running. `createos-mcp platform start` starts it.")
        return 1

    def read() -> list[dict[str, str]]:
        return [_row(app) for app in read_apps(state, data_dir)]

    if not sys.stdout.isatty():
        write_table(_COLUMNS, [tuple(row.values()) for row in read()])
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    seconds = invocation.given.get("seconds")
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    try:
        with Live(_table(read(), console), console=console, auto_refresh=False) as live:
            while time.monotonic() < end:
                time.sleep(INTERVAL_S)
                live.update(_table(read(), console), refresh=True)
    except KeyboardInterrupt:
        pass
    return 0


def _row(app: Mapping[str, Json]) -> dict[str, str]:
    replicas, requests = app["replicas"], app["requests"]
    cells = (
        f"{app['project']}/{app['environment']}",
        "stopped" if app["stopped"] else app["status"] or "-",
        f"{replicas['running']}/{replicas['wanted']}",
        f"{app['memoryBytes'] / 2**20:.0f}/{app['memoryMb']} MB",
        str(requests["total"]),
        str(requests["failed"]),
        show_newest(app),
        app["endpoint"] or "worker",
    )
    return dict(zip(_COLUMNS, map(clean_line, cells), strict=True))


def _table(rows: Sequence[Mapping[str, str]], console: Console) -> Table:
    columns = _fitting(rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(column, row[column]) for column in columns))
    return table


def _fitting(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    columns = list(_COLUMNS)
    for dropped in _DROPPED:
        needed = sum(max(len(name), *(len(row[name]) for row in rows), 0) + 2 for name in columns)
        if needed <= width + 2:
            break
        columns.remove(dropped)
    return columns


def _cell(column: str, text: str) -> Text:
    if column != "STATE":
        return Text(text)
    return Text(text, style="yellow" if text in _BUSY else _STYLES.get(text, "red"))
