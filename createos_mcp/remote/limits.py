"""Limits: how many requests one caller may send, and how many are served at one time."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import TTLCache

from createos_mcp.remote.errors import TooManyCallsError

MINUTE_S = 60.0
RATE_CACHE_SIZE = 100_000


class Rate:
    """A bucket for each name that fills evenly over a minute; a full one may be spent at once.

    https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm: one number is kept for a name, the
    time at which its bucket will be full again.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._full_at: TTLCache[str, float] = TTLCache(RATE_CACHE_SIZE, 2 * MINUTE_S, timer=clock)

    def wait_s(self, name: str) -> float:
        """How long until this name may spend one more; 0 when it may now."""
        missing_s = self._full_at.get(name, 0.0) - self._clock()
        return max(0.0, missing_s - (MINUTE_S - MINUTE_S / self._per_minute))

    def spend(self, name: str) -> None:
        """Take one out of the bucket."""
        full_at = max(self._full_at.get(name, 0.0), self._clock())
        self._full_at[name] = full_at + MINUTE_S / self._per_minute

    def take(self, name: str) -> None:
        """Take one out of the bucket, or refuse.

        Raises:
            TooManyCallsError: It is empty.
        """
        wait_s = self.wait_s(name)
        if wait_s > 0:
            raise TooManyCallsError(f"{self._per_minute} requests per minute", math.ceil(wait_s))
        self.spend(name)


class Slots:
    """How many requests of each caller are under way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are taken now, by all callers."""
        return self._taken.total()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Take a slot as long as the block runs.

        Raises:
            TooManyCallsError: All slots of this name are taken.
        """
        if self._taken[name] >= self._most:
            raise TooManyCallsError(f"{self._most} concurrent requests", 1)
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
