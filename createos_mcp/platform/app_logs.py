"""Reads what an app printed, from the files that its launcher keeps."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from createos_mcp.platform.names import text_of

MAX_BYTES = 2**20
OLD_LOGS = 2


def tail(log_file: Path, since_s: float, *, max_bytes: int = MAX_BYTES) -> str:
    """The lines of the last `since_s` seconds, at most `max_bytes` of them, the newest kept.

    Each line begins with its time, `2026-01-31T12:00:00.000Z`, so that lines compare as text.
    """
    since = text_of(datetime.now(UTC) - timedelta(seconds=since_s))
    recent = [line for line in _lines(log_file, max_bytes) if line[: len(since)] >= since]
    return "\n".join(recent)


def last_lines(log_file: Path, since_s: float, count: int) -> list[str]:
    """The newest lines of the last `since_s` seconds, without their times."""
    recent = tail(log_file, since_s).splitlines()[-count:]
    return [line.partition(" ")[2] for line in recent]


def _lines(log_file: Path, max_bytes: int) -> list[str]:
    content = b""
    older = (log_file.with_name(f"{log_file.name}.{n}") for n in range(1, OLD_LOGS + 1))
    for file in (log_file, *older):
        if len(content) < max_bytes and file.exists():
            content = file.read_bytes()[-(max_bytes - len(content)) :] + content
    return content.decode(errors="replace").splitlines()
