"""How long environments took to answer lately: kept in memory, for one hour."""

from collections import deque
from collections.abc import Callable

from cachetools import LRUCache

KEPT_S = 3600
KEPT = 5000
"""Requests that are remembered of one environment, the newest."""

ENVIRONMENTS_KEPT = 500
"""Those that were asked last."""


class Latencies:
    """Remembers how long each request took.

    Args:
        clock: Tells seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._taken: LRUCache[str, deque[tuple[float, float]]] = LRUCache(ENVIRONMENTS_KEPT)

    def record(self, environment_id: str, seconds: float) -> None:
        """Remember one request that is over."""
        kept = self._taken.get(environment_id)
        if kept is None:
            kept = self._taken[environment_id] = deque(maxlen=KEPT)
        kept.append((self._clock(), seconds))

    def quantile(self, environment_id: str, share: float) -> float | None:
        """Seconds within which this share of the last hour's requests was answered, or None."""
        oldest = self._clock() - KEPT_S
        recent = sorted(s for at, s in self._taken.get(environment_id, ()) if at >= oldest)
        return recent[min(int(share * len(recent)), len(recent) - 1)] if recent else None
