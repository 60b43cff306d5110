"""Confirmation codes: what a person allows in a terminal, where a client cannot ask.

A code belongs to one call of one caller, and lets it pass once. The files hold no code, only its
hash: whoever reads them cannot allow anything with what is there.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

VALID_S = 600.0
"""How long a person may take."""

MAX_PENDING = 100
"""Codes that are kept at a time; the oldest make room."""

_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_GROUPS, _GROUP_LETTERS = 2, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingCall:
    """A call that waits for a person."""

    call: str
    """Of which operation with which arguments, as a digest."""
    caller: str
    text: str
    """What the person is asked."""
    typed: str
    """What the person has to type; empty when yes is enough."""
    until: float
    """Unix seconds."""
    is_allowed: bool = False


class ConfirmationCodes:
    """The calls that wait, as files of a directory that only its owner reads.

    Args:
        directory: Where; made when it is first written to.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def issue(self, *, call: str, caller: str, text: str, typed: str) -> str:
        """A new code for a call.

        Raises:
            OSError: The directory cannot be written.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room()
        letters = [secrets.choice(_LETTERS) for _ in range(_GROUPS * _GROUP_LETTERS)]
        code = f"{''.join(letters[:_GROUP_LETTERS])}-{''.join(letters[_GROUP_LETTERS:])}"
        pending = PendingCall(
            call=call, caller=caller, text=text, typed=typed, until=time.time() + VALID_S
        )
        self._write(self._file(code), pending)
        return code

    def find(self, code: str) -> PendingCall | None:
        """The call that a code is for, while it is valid."""
        return _read(self._file(code))

    def allow(self, code: str) -> bool:
        """Let the call pass once; whether the code is valid."""
        file = self._file(code)
        pending = _read(file)
        if pending is None:
            return False
        self._write(file, replace(pending, is_allowed=True))
        return True

    def take(self, call: str, caller: str) -> bool:
        """Whether a person has allowed this call; it is not allowed again afterwards."""
        for file, pending in self._pending():
            if pending.is_allowed and (pending.call, pending.caller) == (call, caller):
                try:
                    file.unlink()
                except FileNotFoundError:  # another process has just taken it
                    continue
                return True
        return False

    def _pending(self) -> Iterator[tuple[Path, PendingCall]]:
        for file in self._directory.glob("*.json"):
            pending = _read(file)
            if pending is None:
                file.unlink(missing_ok=True)
            else:
                yield file, pending

    def _make_room(self) -> None:
        kept = sorted(self._pending(), key=lambda held: held[1].until)
        for file, _ in kept[: max(0, len(kept) - MAX_PENDING + 1)]:
            file.unlink(missing_ok=True)

    def _file(self, code: str) -> Path:
        letters = "".join(letter for letter in code.upper() if letter in _LETTERS)
        return self._directory / f"{hashlib.sha256(letters.encode()).hexdigest()}.json"

    def _write(self, file: Path, pending: PendingCall) -> None:
        draft = file.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(asdict(pending), opened)
        draft.replace(file)


def _read(file: Path) -> PendingCall | None:
    try:
        pending = PendingCall(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return pending if pending.until > time.time() else None
