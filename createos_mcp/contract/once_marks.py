"""Marks that can be taken once: what was sealed for one use, over one process or several."""

import hashlib
import os
import time
from pathlib import Path
from typing import Protocol

_LOOKS_BETWEEN_CLEARANCES = 256


class OnceMarks(Protocol):
    """Tells who comes first."""

    def take(self, mark: str, valid_s: float) -> bool:
        """Whether nobody has taken this mark before; from now on somebody has.

        Args:
            mark: What must not be used twice.
            valid_s: How long that is remembered: at least as long as it would be accepted.
        """


class OwnMarks:
    """Those of this process."""

    def __init__(self) -> None:
        self._taken: dict[str, float] = {}

    def take(self, mark: str, valid_s: float) -> bool:
        """See `OnceMarks`."""
        now = time.monotonic()
        self._taken = {one: until for one, until in self._taken.items() if until > now}
        if mark in self._taken:
            return False
        self._taken[mark] = now + valid_s
        return True


class SharedMarks:
    """Those of all processes that share a directory: a file for each, which one of them makes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._looks = 0

    def take(self, mark: str, valid_s: float) -> bool:
        """See `OnceMarks`."""
        self._looks += 1
        if self._looks % _LOOKS_BETWEEN_CLEARANCES == 0:
            self._clear_away()
        file = self._directory / hashlib.sha256(mark.encode()).hexdigest()
        try:
            made = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        os.close(made)
        until = time.time() + valid_s
        os.utime(file, (until, until))
        return True

    def _clear_away(self) -> None:
        now = time.time()
        for file in self._directory.iterdir():
            # Another process may clear away at the same time.
            try:
                if file.stat().st_mtime < now:
                    file.unlink()
            except FileNotFoundError:
                continue
