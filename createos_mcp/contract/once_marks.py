"""Marks that can be taken once: what was sealed for one use, over one process or several."""

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import Protocol

_OWN = "own-"
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
        self._looks = 0

    def take(self, mark: str, valid_s: float) -> bool:
        """See `OnceMarks`."""
        now = time.monotonic()
        self._looks += 1
        if self._looks % _LOOKS_BETWEEN_CLEARANCES == 0:
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
        own = self._directory / f"{_OWN}{secrets.token_hex(16)}"
        own.touch(mode=0o600, exist_ok=False)
        until = time.time() + valid_s
        os.utime(own, (until, until))
        try:
            # Its time is there with it, so that nobody takes it for an old one.
            os.link(own, self._directory / hashlib.sha256(mark.encode()).hexdigest())
        except FileExistsError:
            return False
        finally:
            own.unlink()
        return True

    def _clear_away(self) -> None:
        now = time.time()
        for file in self._directory.iterdir():
            # Another process may clear away at the same time.
            with contextlib.suppress(FileNotFoundError):
                if not file.name.startswith(_OWN) and file.stat().st_mtime < now:
                    file.unlink()
