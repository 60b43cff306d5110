"""The command `platform logs`: the platform's own log, or what an app or its build printed."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of
from createos_mcp.cli.local_api import read_apps, request_data
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UnknownLogError, UserRefusedError
from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.log_cursors import (
    LogCursor,
    PrintedLine,
    read_after,
    read_end,
)
from createos_mcp.platform.states import UNFINISHED
from createos_mcp.platform.timestamps import format_time

END_BYTES = 256 * 1024
POLL_S = 0.3
NEVER_BEGUN = "The log is empty."

_SINCE = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True, slots=True)
class LineChoice:
    """Which lines are shown, and how."""

    since: str
    """A time that sorts as text; empty for any."""
    words: Sequence[str]
    """One of them has to be in a line, whatever its case; none for all."""
    count: int
    as_json: bool

    def takes(self, at: str, text: str) -> bool:
        """Whether a line is shown."""
        lower = text.lower()
        return at >= self.since and (not self.words or any(word in lower for word in self.words))


Source = Callable[[], Sequence[PrintedLine]]
"""The lines that came since it was asked last."""


def show_logs(invocation: Invocation) -> int:
    """Show the end of the platform's own log, or of what an app printed, and follow it if asked.

    A deployment's logs are kept for some time after it was stopped or deleted.

    Raises:
        UnknownLogError: No log is kept under that name.
        UserRefusedError: `--since` is not a span of time, or what is asked for cannot be had.
    """
    data_dir = config_of(invocation.settings).data_dir
    given = invocation.given
    choice = _choice(given)
    app = given.get("app")
    if app is None:
        return _show_own(data_dir, choice, given)
    if given.get("build"):
        return _show_build(data_dir, app, choice, follows=bool(given.get("follow")))
    directory = _find_logs(app, data_dir)
    lines, cursor = read_end(directory, sys.maxsize)
    several = len({line.replica for line in lines}) > 1
    _show(lines, choice, several=several)
    if given.get("follow"):
        _follow(_after(directory, cursor), choice, several=several)
    return 0


def _choice(given: Mapping[str, Json]) -> LineChoice:
    since = given.get("since")
    found = _SINCE.fullmatch(since) if since else None
    if since and found is None:
        raise UserRefusedError(f"--since: {since!r} is not a span of time such as 30m or 2h.")
    if given["lines"] < 0:
        raise UserRefusedError("--lines: must be 0 or more.")
    ago = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    return LineChoice(
        since=format_time(datetime.now(UTC) - ago) if ago is not None else "",
        words=[word for word in (given.get("grep") or "").lower().split("|") if word],
        count=given["lines"],
        as_json=bool(given.get("json")),
    )


def _show(lines: Sequence[PrintedLine], choice: LineChoice, *, several: bool) -> None:
    chosen = [line for line in lines if choice.takes(line.at, line.text)]
    for line in chosen[-choice.count :] if choice.count else []:
        _say_line(line, as_json=choice.as_json, several=several)
    if not lines and not choice.as_json:
        say(NEVER_BEGUN)


def _say_line(line: PrintedLine, *, as_json: bool, several: bool) -> None:
    if as_json:
        say(json.dumps({"at": line.at, "replica": line.replica, "text": line.text}))
        return
    mark = f"[{line.replica}] " if several else ""
    say(" ".join(filter(None, (line.at, f"{mark}{line.text}"))))


def _follow(source: Source, choice: LineChoice, *, several: bool) -> None:
    """Print what comes, until interrupted."""
    while True:
        sys.stdout.flush()
        time.sleep(POLL_S)
        for line in source():
            if choice.takes(line.at, line.text):
                _say_line(line, as_json=choice.as_json, several=several)


def _after(directory: Path, cursor: LogCursor) -> Source:
    def read() -> Sequence[PrintedLine]:
        nonlocal cursor
        lines, cursor = read_after(directory, cursor)
        return lines

    return read


def _find_logs(app: str, data_dir: DataDir) -> Path:
    kept = {directory.name: directory for directory in data_dir.logs.glob("*")}
    if app in kept:
        return kept[app]
    state = daemon.find_running(data_dir)
    apps = read_apps(state, data_dir) if state is not None else ()
    names = {f"{row['project']}/{row['environment']}": row["deploymentId"] for row in apps}
    of_project = [i for name, i in names.items() if name.partition("/")[0] == app]
    deployment_id = names.get(app) or next(iter(filter(None, of_project)), None)
    if deployment_id in kept:
        return kept[deployment_id]
    raise UnknownLogError(app, [*sorted(names), *sorted(kept)])


def _show_build(data_dir: DataDir, app: str, choice: LineChoice, *, follows: bool) -> int:
    """The newest deployment's build log; followed until it is done. 1 when it failed."""
    state = daemon.find_running(data_dir)
    if state is None:
        raise UserRefusedError("The platform is not running. `createos-mcp platform start` does.")
    rows = {row["project"]: row for row in read_apps(state, data_dir)}
    row = rows.get(app.partition("/")[0])
    if row is None or row["newest"] is None:
        raise UnknownLogError(app, sorted(name for name, one in rows.items() if one["newest"]))
    path = f"/v1/projects/{row['projectId']}/deployments/{row['newest']['id']}"
    seen = 0

    def read() -> Sequence[PrintedLine]:
        nonlocal seen
        found = request_data(state, data_dir, f"{path}/build-logs?skip={seen}")
        seen += len(found)
        return [
            PrintedLine(at=one["ts"], replica=one["stage"], text=last_state(one["log"]))
            for one in found
        ]

    _show(read(), choice, several=True)
    while True:
        status = request_data(state, data_dir, path)["status"]
        for line in read():
            if choice.takes(line.at, line.text):
                _say_line(line, as_json=choice.as_json, several=True)
        if not follows or status not in UNFINISHED:
            return 0 if status in {*UNFINISHED, "deployed", "sleeping"} else 1
        sys.stdout.flush()
        time.sleep(POLL_S)


def _show_own(data_dir: DataDir, choice: LineChoice, given: Mapping[str, Json]) -> int:
    if choice.since:
        raise UserRefusedError("--since needs an app: the platform's own log has local times.")
    file = data_dir.log_file
    if not file.exists():
        say(f"The platform has not run yet; its log will be {file}.")
        return 0
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(size - END_BYTES, 0))
        text = opened.read(END_BYTES)
    _show([*_own_lines(text.removesuffix(b"\n"))] if text else [], choice, several=False)
    if given.get("follow"):
        _follow(_appended(file, size), choice, several=False)
    return 0


def _own_lines(text: bytes) -> Iterator[PrintedLine]:
    for line in text.decode(errors="replace").split("\n"):
        yield PrintedLine(at="", replica="", text=line)


def _appended(file: Path, place: int) -> Source:
    """The whole lines that follow a place; the end of a line may still come."""

    def read() -> Sequence[PrintedLine]:
        nonlocal place
        with file.open("rb") as opened:
            # A log that was emptied begins anew.
            place = place if place <= opened.seek(0, os.SEEK_END) else 0
            opened.seek(place)
            text, end, _ = opened.read().rpartition(b"\n")
        place += len(text) + len(end)
        return [*_own_lines(text)] if end else []

    return read
