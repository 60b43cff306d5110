"""Places in logs that grow and are rotated: reading goes on where it ended."""

import base64
import heapq
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.platform.sandbox.app_logs import MAX_BYTES, OLD_LOGS, files_of

MAX_REPLICAS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedLine:
    """One line of a replica."""

    at: str
    """`2026-01-31T12:00:00.000Z`."""
    replica: str
    """Its number; that of a whole deployment, behind the place where it ran: `ID/1`."""
    text: str


@dataclass(frozen=True, slots=True)
class LogCursor:
    """How far each replica's log was read."""

    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By replica: the file as the system numbers it, whatever its name is by now, and bytes."""

    def to_text(self) -> str:
        """The cursor for whoever follows the log."""
        text = json.dumps(self.places, separators=(",", ":"), sort_keys=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The cursor that `to_text` wrote.

        Raises:
            ValueError: It wrote no such text.
        """
        padded = text + "=" * (-len(text) % 4)
        places = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(places, dict) or len(places) > MAX_REPLICAS:
            raise ValueError(text)
        return cls({str(replica): _place(place) for replica, place in places.items()})


def read_end(directory: Path, count: int) -> tuple[list[PrintedLine], LogCursor]:
    """The newest lines of all replicas in the order of their times, and where they end."""
    lines, cursor = _read(directory, LogCursor(), from_end=True)
    return lines[-count:] if count else [], cursor


def read_after(directory: Path, cursor: LogCursor) -> tuple[list[PrintedLine], LogCursor]:
    """The lines that came since, a megabyte of each replica at most, and where they end."""
    return _read(directory, cursor, from_end=False)


def _read(
    directory: Path, cursor: LogCursor, *, from_end: bool
) -> tuple[list[PrintedLine], LogCursor]:
    places = {}
    found = []
    for file in files_of(directory):
        replica = str(file.relative_to(directory).with_suffix(""))
        text, places[replica] = _read_one(file, cursor.places.get(replica), from_end=from_end)
        found.append([*_lines(text, replica)])
    return [*heapq.merge(*found, key=lambda line: line.at)], LogCursor(places)


def _read_one(
    file: Path, place: tuple[int, int] | None, *, from_end: bool
) -> tuple[bytes, tuple[int, int]]:
    """Whole lines of a replica's files, oldest first, from a place on, and the place reached."""
    with ExitStack() as files:
        generations = _open_generations(file, files)
        inodes = [_inode(opened) for opened in generations]
        known = place is not None and place[0] in inodes
        start, offset = (inodes.index(place[0]), place[1]) if place and known else (0, 0)
        if from_end:
            start, offset = _near_end(generations)
        text, reached = b"", (inodes[start], offset) if inodes else (0, 0)
        for opened, inode in zip(generations[start:], inodes[start:], strict=True):
            opened.seek(offset)
            piece = opened.read(MAX_BYTES - len(text))
            whole = piece[: piece.rfind(b"\n") + 1]
            text, reached, offset = text + whole, (inode, offset + len(whole)), 0
            if len(text) + len(piece) - len(whole) >= MAX_BYTES:
                break
    return text, reached


def _open_generations(file: Path, files: ExitStack) -> Sequence[IO[bytes]]:
    """A replica's files, oldest first.

    They are opened from the newest on: a rotation in between shows one twice, and hides none.
    """
    found: dict[int, IO[bytes]] = {}
    for path in (file, *(file.with_name(f"{file.name}.{n}") for n in range(1, OLD_LOGS + 1))):
        with suppress(FileNotFoundError):
            opened = files.enter_context(path.open("rb"))
            found.setdefault(_inode(opened), opened)
    return [*reversed(found.values())]


def _inode(opened: IO[bytes]) -> int:
    return os.fstat(opened.fileno()).st_ino


def _near_end(generations: Sequence[IO[bytes]]) -> tuple[int, int]:
    """Where the last megabyte begins, at the beginning of a line."""
    left = MAX_BYTES
    for index in range(len(generations) - 1, -1, -1):
        opened = generations[index]
        size = opened.seek(0, os.SEEK_END)
        if size > left:
            opened.seek(size - left)
            return index, size - left + len(opened.readline())
        left -= size
    return 0, 0


def _lines(text: bytes, replica: str) -> Iterator[PrintedLine]:
    # Only the launcher's line ends are followed by a time: an app prints what it likes.
    for line in text.decode(errors="replace").split("\n"):
        at, _, printed = line.partition(" ")
        if at:
            yield PrintedLine(at=at, replica=replica, text=last_state(printed))


def _place(place: object) -> tuple[int, int]:
    match place:
        case [int(inode), int(offset)] if offset >= 0:
            return inode, offset
    raise ValueError(place)
