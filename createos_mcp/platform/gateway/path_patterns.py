"""What requests have in common: their path without the parts that differ from one to the next."""

import re
from collections.abc import Iterable
from functools import lru_cache

# A path comes from anyone; what is longer is cut before it is stored.
MAX_PATTERN_CHARS = 200
PATTERNS_PER_HOUR = 500
"""Different patterns that are told apart for one environment within an hour."""

OTHER = "(other)"
"""Stands for every pattern above that number."""

SECONDS_PER_HOUR = 3600

_ID = re.compile(
    r"""
    \d+
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}   # UUID
    | [0-9a-f]{16,}                                                  # hash
    | (?=\D*\d)(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])[\w-]{20,}={0,2}      # base64, nanoid
    | (?=\D*\d\D*\d)[a-z0-9]{20,}                                    # cuid
    | (?=\D*\d\D*\d)[A-Z0-9]{20,}                                    # ULID
    """,
    re.VERBOSE | re.ASCII,
)
_UPPER_HEX = re.compile(r"[0-9A-F-]{16,}")


@lru_cache(maxsize=8192)
def pattern_of(path: str) -> str:
    """`/users/42/orders?page=2` becomes `/users/{id}/orders`; percent-encoding stays.

    Numbers, UUIDs and long tokens are ids; a word or a slug is not.
    """
    segments = path.partition("?")[0].split("/")
    return "/".join("{id}" if _is_id(segment) else segment for segment in segments)[
        :MAX_PATTERN_CHARS
    ]


def _is_id(segment: str) -> bool:
    known = segment.lower() if _UPPER_HEX.fullmatch(segment) else segment
    return _ID.fullmatch(known) is not None


class PatternLimit:
    """Keeps the number of different patterns within bounds, whatever paths are asked for."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, set[str]]] = {}

    def admit(self, owner: str, at: int, pattern: str) -> str:
        """The pattern, or `(other)` where the owner has too many in this hour.

        Args:
            owner: Whose patterns are counted.
            at: Unix seconds.
            pattern: What `pattern_of` made.
        """
        hour, known = self._known.get(owner, (0, set()))
        if hour != at // SECONDS_PER_HOUR:
            known = set()
            self._known[owner] = (at // SECONDS_PER_HOUR, known)
        if pattern not in known:
            if len(known) >= PATTERNS_PER_HOUR:
                return OTHER
            known.add(pattern)
        return pattern

    def recall(self, at: int, patterns: Iterable[tuple[str, str]]) -> None:
        """Know owners' patterns of the hour of `at` again, after a restart."""
        for owner, pattern in patterns:
            self.admit(owner, at, pattern)
