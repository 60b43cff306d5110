"""Reads what a deployment's replicas printed, from the files that their launchers keep."""

import heapq
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.platform.timestamps import format_time

MAX_BYTES = 2**20
OLD_LOGS = 2
STAMP_CHARACTERS = len("2026-01-31T12:00:00.000Z")


def files_of(directory: Path) -> list[Path]:
    """The log of each replica below a directory: of one place, or of all places."""
    return sorted(directory.rglob("*.log"))


def tail(log_files: Sequence[Path], since_s: float, *, max_bytes: int = MAX_BYTES) -> str:
    """The lines of the last `since_s` seconds, at most `max_bytes` of them, the newest kept.

    Each line begins with its time, `2026-01-31T12:00:00.000Z`, so that lines compare as text, and
    is as a terminal would show it. The lines of several replicas are in the order of their times,
    with the replica's number in between.
    """
    since = format_time(datetime.now(UTC) - timedelta(seconds=since_s))
    share = max_bytes // max(len(log_files), 1)
    each = (_recent(file, since, share, told_apart=len(log_files) > 1) for file in log_files)
    return "\n".join(heapq.merge(*each, key=_stamp))


def last_lines(log_file: Path, since_s: float, count: int) -> list[str]:
    """The newest lines of the last `since_s` seconds, without their times."""
    recent = tail([log_file], since_s)
    return [line.partition(" ")[2] for line in recent.split("\n")[-count:]] if recent else []


def last_moment(log_files: Sequence[Path]) -> str | None:
    """When the newest line was printed, or None when there is none."""
    newest = (_read_lines(file, STAMP_CHARACTERS * 1000)[-1:] for file in log_files)
    return max((_stamp(line) for lines in newest for line in lines), default=None)


def remove_old(directory: Path, kept_days: float, known: Collection[str]) -> None:
    """Remove logs that nothing was written to for so long, and what is left of deleted deployments.

    Args:
        directory: Holds a directory for each deployment.
        kept_days: How long a log is kept after its last line.
        known: Deployments whose directory stays, with or without logs in it.
    """
    oldest = datetime.now(UTC).timestamp() - kept_days * 86_400
    for deployment in directory.glob("*"):
        for file in deployment.rglob("*.log*"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
        if deployment.name not in known and not any(deployment.rglob("*.log*")):
            shutil.rmtree(deployment, ignore_errors=True)


def _recent(file: Path, since: str, max_bytes: int, *, told_apart: bool) -> Iterator[str]:
    for line in _read_lines(file, max_bytes):
        if line[: len(since)] >= since:
            stamp, _, text = line.partition(" ")
            mark = f"[{file.stem}] " if told_apart else ""
            yield f"{stamp} {mark}{last_state(text)}"


def _stamp(line: str) -> str:
    return line[:STAMP_CHARACTERS]


def _read_lines(log_file: Path, max_bytes: int) -> list[str]:
    content = b""
    older = (log_file.with_name(f"{log_file.name}.{n}") for n in range(1, OLD_LOGS + 1))
    for file in (log_file, *older):
        if len(content) < max_bytes and file.exists():
            content = _read_end(file, max_bytes - len(content)) + content
    # An app prints what it likes: only the launcher's line ends are followed by a time.
    lines = content.decode(errors="replace").removesuffix("\n").split("\n")
    return [line for line in lines if line]


def _read_end(file: Path, max_bytes: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(max(opened.seek(0, os.SEEK_END) - max_bytes, 0))
        return opened.read(max_bytes)
