"""The command `platform logs`: the platform's own log, or what an app printed."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of
from createos_mcp.cli.local_status import read_apps
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UnknownLogError
from createos_mcp.platform import daemon
from createos_mcp.platform.paths import DataDir

END_BYTES = 256 * 1024
LOG_LINES = 200
POLL_S = 0.3


def show_logs(invocation: Invocation) -> int:
    """Show the end of the platform's own log, or of what an app printed, and follow it if asked.

    A deployment's logs are kept for some time after it was stopped or deleted.

    Raises:
        UnknownLogError: No log is kept under that name.
    """
    data_dir = config_of(invocation.settings).data_dir
    app = invocation.given.get("app")
    root = data_dir.log_file.parent if app is None else _find_logs(app, data_dir)
    if not _files(root, data_dir):
        say(f"The platform has not run yet; its log will be {data_dir.log_file}.")
        return 0
    for file in _files(root, data_dir):
        _show_end(file, root, titled=app is not None)
    if invocation.given.get("follow"):
        _follow(root, data_dir)
    return 0


def _files(root: Path, data_dir: DataDir) -> Sequence[Path]:
    """The files of an app's logs, or the platform's own one."""
    if root == data_dir.log_file.parent:
        return [data_dir.log_file] if data_dir.log_file.exists() else []
    return sorted(root.rglob("*.log"))


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


def _show_end(file: Path, root: Path, *, titled: bool) -> None:
    if titled:
        say(f"== {file.relative_to(root)}")
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - END_BYTES, 0))
        text = opened.read().decode(errors="replace").removesuffix("\n")
    # Only what the launcher ends is a line: an app may write other characters that end one.
    lines = text.split("\n")[-LOG_LINES:]
    for line in lines if text else ["The log is empty."]:
        say(line)


def _follow(root: Path, data_dir: DataDir) -> None:
    """Print what is appended, also to files that are rotated or new, until interrupted."""
    ends = {file: file.stat() for file in _files(root, data_dir)}
    places = {file: stat.st_size for file, stat in ends.items()}
    inodes = {file: stat.st_ino for file, stat in ends.items()}
    while True:
        sys.stdout.flush()
        time.sleep(POLL_S)
        for file in _files(root, data_dir):
            stat = file.stat()
            if inodes.get(file) != stat.st_ino or stat.st_size < places.get(file, 0):
                places[file], inodes[file] = 0, stat.st_ino
            for line in _appended(file, places):
                say(line)


def _appended(file: Path, places: dict[Path, int]) -> Iterator[str]:
    """The whole lines that follow a place, which moves on; the end of a line may still come."""
    with file.open("rb") as opened:
        opened.seek(places[file])
        text, end, _ = opened.read().rpartition(b"\n")
    places[file] += len(text) + len(end)
    yield from text.decode(errors="replace").split("\n") if end else ()
