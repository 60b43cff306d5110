"""Who looks at the pages: links that work once, and the sessions that they begin."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from createos_mcp.platform.errors import UnauthorizedError

CODE_VALID_S = 120.0
SESSION_VALID_S = 12 * 3600.0

MAX_CODES = 10
MAX_SESSIONS = 50
"""Of one user; the oldest make room, and nobody else's."""

_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One browser of a user."""

    user_id: str
    key_hash: str = field(repr=False)
    """The key that asked for its link: the session ends with it."""
    until: float


class SignIn:
    """Codes and sessions, kept as hashes and only as long as the platform runs.

    Args:
        clock: Tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._codes: dict[str, Session] = {}
        self._sessions: dict[str, Session] = {}

    def issue(self, user_id: str, key_hash: str) -> str:
        """A code that begins one session of a user, within two minutes."""
        code = secrets.token_urlsafe(_BYTES)
        until = self._clock() + CODE_VALID_S
        session = Session(user_id=user_id, key_hash=key_hash, until=until)
        self._codes[_hash(code)] = session
        _make_room(self._codes, user_id, MAX_CODES)
        return code

    def redeem(self, code: str) -> str:
        """A new session's secret, for a code that nobody used.

        Raises:
            UnauthorizedError: It was used, is too old, or was not issued here.
        """
        found = self._codes.pop(_hash(code), None)
        if found is None or found.until < self._clock():
            raise UnauthorizedError("This link was used, or its two minutes are over")
        secret = secrets.token_urlsafe(_BYTES)
        until = self._clock() + SESSION_VALID_S
        opened = Session(user_id=found.user_id, key_hash=found.key_hash, until=until)
        self._sessions[_hash(secret)] = opened
        _make_room(self._sessions, found.user_id, MAX_SESSIONS)
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of that secret, while it lasts."""
        session = self._sessions.get(_hash(secret))
        return session if session is not None and session.until >= self._clock() else None

    def close(self, secret: str) -> None:
        """End one session."""
        self._sessions.pop(_hash(secret), None)

    def close_all(self, user_id: str) -> None:
        """End every session of a user."""
        for one in [key for key, held in self._sessions.items() if held.user_id == user_id]:
            del self._sessions[one]


def _make_room(held: dict[str, Session], user_id: str, most: int) -> None:
    own = [key for key, session in held.items() if session.user_id == user_id]
    for key in own[: max(0, len(own) - most)]:
        del held[key]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
