"""Places in logs that grow and are rotated: reading goes on where it ended."""

import base64
import heapq
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self, TypeAlias

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.platform.sandbox.app_logs import (
    MAX_BYTES,
    OLD_LOGS,
    STAMP_CHARACTERS,
    files_of,
)

MAX_REPLICAS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedLine:
    """One line of a replica."""

    at: str
    """`2026-01-31T12:00:00.000Z`."""
    replica: str
    """Its number; that of a whole deployment, behind the place where it ran: `ID/1`."""
    text: str


Place: TypeAlias = tuple[int, str, int]
"""A file as the system numbers it, the time of its first line, and how many bytes were read.

The system gives the number of a file that is gone to the next one, so that a number alone would
take a new file for the old one.
"""


@dataclass(frozen=True, slots=True)
class LogCursor:
    """How far each replica's log was read."""

    places: Mapping[str, Place] = field(default_factory=dict)
    """By replica."""

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
        try:
            places = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except RecursionError as error:
            raise ValueError(text) from error
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


def _read_one(file: Path, place: Place | None, *, from_end: bool) -> tuple[bytes, Place]:
    """Whole lines of a replica's files, oldest first, from a place on, and the place reached."""
    with ExitStack() as files:
        generations = _open_generations(file, files)
        known = [_identity(opened) for opened in generations]
        start, offset = _find(generations, known, place)
        if from_end:
            start, offset = _near_end(generations)
        text, reached = b"", (*known[start], offset) if known else (0, "", 0)
        for opened, (inode, first) in zip(generations[start:], known[start:], strict=True):
            opened.seek(offset)
            piece = opened.read(MAX_BYTES - len(text))
            whole = piece[: piece.rfind(b"\n") + 1]
            text, reached, offset = text + whole, (inode, first, offset + len(whole)), 0
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


def _find(
    generations: Sequence[IO[bytes]], known: Sequence[tuple[int, str]], place: Place | None
) -> tuple[int, int]:
    """Where reading goes on: in the file of a place, or at the beginning of all there is.

    A file that was empty when it was read has got its first line since.
    """
    for index, (inode, first) in enumerate(known):
        if place is None or place[0] != inode or place[1] not in {first, ""}:
            continue
        if place[2] <= os.fstat(generations[index].fileno()).st_size:
            return index, place[2]
    return 0, 0


def _identity(opened: IO[bytes]) -> tuple[int, str]:
    opened.seek(0)
    first = opened.read(STAMP_CHARACTERS).decode(errors="replace")
    return _inode(opened), first if len(first) == STAMP_CHARACTERS else ""


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


def _place(place: object) -> Place:
    match place:
        case [int(inode), str(first), int(offset)] if offset >= 0:
            return inode, first, offset
    raise ValueError(place)


def ends_of(directory: Path) -> list[tuple[str, int, int]]:
    """Where each replica's log ends: equal as long as nothing was printed."""
    found = []
    for file in files_of(directory):
        with suppress(FileNotFoundError):
            status = file.stat()
            found.append((str(file), status.st_ino, status.st_size))
    return found
