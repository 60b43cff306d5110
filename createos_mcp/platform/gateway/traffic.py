"""Counts of the requests that environments got: kept in memory, written twice a second."""

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import anyio

from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.gateway.latencies import Latencies
from createos_mcp.platform.gateway.path_patterns import SECONDS_PER_HOUR, PatternLimit, pattern_of
from createos_mcp.platform.store.database import Database, Transaction, open_database

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.5
"""A kill loses the requests of at most this time."""

SECONDS_KEPT_S = 2 * 3600
"""How long requests are told apart by the second; older ones by the minute."""

SECONDS_PER_MINUTE = 60
SECONDS_PER_DAY = 86_400
TOP_ROWS = 10
SWITCHED = 101

Key: TypeAlias = tuple[str, int, int, str]
"""Environment, Unix second, status, path pattern."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """From one Unix second to another, both included."""

    start: int
    end: int


class Traffic:
    """Counts requests and answers how many there were; what was counted is seen at once.

    Args:
        database: The file of the counts.
        now: Tells the present moment.
        retention_s: How long counts are kept.
    """

    def __init__(
        self, database: Database, *, now: Callable[[], datetime], retention_s: int
    ) -> None:
        self.retention_s = retention_s
        self.latencies = Latencies(lambda: now().timestamp())
        self._database = database
        self._now = now
        self._counts: Counter[Key] = Counter()
        self._patterns = PatternLimit()
        self._flushing = anyio.Lock()
        self._rolled_minute = 0

    def now_s(self) -> int:
        """The present Unix second."""
        return int(self._now().timestamp())

    def record(self, environment_id: str, status: int, path: str, seconds: float) -> None:
        """Count one request that is over.

        Args:
            environment_id: Whose it was.
            status: What the client got.
            path: As the client wrote it.
            seconds: How long it took; that of a WebSocket says nothing of the app.
        """
        at = self.now_s()
        pattern = self._patterns.admit(environment_id, at, pattern_of(path))
        self._counts[environment_id, at, status, pattern] += 1
        if status != SWITCHED:
            self.latencies.record(environment_id, seconds)

    async def run(self) -> None:
        """Write what was counted, and let go of what is old, for as long as the platform runs."""
        while True:
            await anyio.sleep(FLUSH_INTERVAL_S)
            try:
                await self.flush()
                await self.roll()
            except sqlite3.Error as error:
                logger.warning("counts of requests could not be written: %s", error)

    async def recall(self) -> None:
        """Know the path patterns of this hour again."""
        at = self.now_s()
        since = at - at % SECONDS_PER_HOUR
        rows = await self._database.read("traffic_patterns", since=since)
        self._patterns.recall(at, ((row["environment_id"], row["path"]) for row in rows))

    async def flush(self) -> None:
        """Write what was counted since the last time; what cannot be written is lost."""
        async with self._flushing:
            counts, self._counts = self._counts, Counter()
            if counts:
                await self._database.write(lambda transaction: _count(transaction, counts))

    async def roll(self) -> None:
        """Sum old seconds up to minutes, and forget old minutes; at most once a minute."""
        now = self.now_s()
        minute = now // SECONDS_PER_MINUTE
        if minute == self._rolled_minute:
            return
        self._rolled_minute = minute
        kept_from = (now - SECONDS_KEPT_S) // SECONDS_PER_MINUTE * SECONDS_PER_MINUTE

        def fold_seconds(transaction: Transaction) -> None:
            transaction.run("roll_traffic", before=kept_from)
            transaction.run("forget_traffic_seconds", before=kept_from)
            transaction.run("forget_traffic_minutes", before=now - self.retention_s)

        await self._database.write(fold_seconds)

    async def statuses(self, environment_id: str, window: Window) -> Mapping[int, int]:
        """How many answers had which status, the most frequent first."""
        rows = await self._read("traffic_statuses", environment_id, window)
        return {row["status"]: row["count"] for row in rows}

    async def peak(self, environment_id: str, window: Window) -> int:
        """The most requests in one minute of the clock."""
        (row,) = await self._read("traffic_peak", environment_id, window)
        peak: int = row["count"]
        return peak

    async def top_paths(self, environment_id: str, window: Window) -> Sequence[sqlite3.Row]:
        """`path` and `count` of the ten most frequent, then by name."""
        return await self._read("traffic_paths", environment_id, window, limit=TOP_ROWS)

    async def top_error_paths(self, environment_id: str, window: Window) -> Sequence[sqlite3.Row]:
        """`path`, `status` and `count` of the ten most frequent failures, then by name."""
        return await self._read("traffic_error_paths", environment_id, window, limit=TOP_ROWS)

    async def points(
        self, environment_id: str, window: Window, *, width_s: int
    ) -> Mapping[int, Mapping[int, int]]:
        """Requests over time: `{1763938800: {2: 17, 4: 1}}`, by the status's first digit.

        Args:
            environment_id: Whose requests.
            window: When.
            width_s: Seconds that one point stands for, from its timestamp on.
        """
        rows = await self._read("traffic_points", environment_id, window, width_s=width_s)
        points: dict[int, dict[int, int]] = {}
        for row in rows:
            points.setdefault(row["began"], {})[row["class"]] = row["count"]
        return points

    async def _read(
        self, query: str, environment_id: str, window: Window, **values: int
    ) -> list[sqlite3.Row]:
        await self.flush()
        return await self._database.read(
            query, environment_id=environment_id, start=window.start, end=window.end, **values
        )


def _count(transaction: Transaction, counts: Mapping[Key, int]) -> None:
    transaction.run_each(
        "count_traffic",
        (
            {"environment_id": owner, "at": at, "status": status, "path": path, "count": count}
            for (owner, at, status, path), count in counts.items()
        ),
    )


@asynccontextmanager
async def open_traffic(
    path: Path, *, now: Callable[[], datetime], retention_days: int
) -> AsyncIterator[Traffic]:
    """Open the counts in a file; one that is damaged is set aside, and counting begins anew.

    Args:
        path: The file, made if it is not there.
        now: Tells the present moment.
        retention_days: How long counts are kept.
    """
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(_open_checked(path))
        except (StartupError, sqlite3.DatabaseError) as error:
            logger.warning("%s was moved aside and counting restarts: %s", path, error)
            _set_aside(path)
            database = await stack.enter_async_context(_open_checked(path))
        traffic = Traffic(database, now=now, retention_s=retention_days * SECONDS_PER_DAY)
        await traffic.recall()
        stack.push_async_callback(traffic.flush)
        yield traffic


@asynccontextmanager
async def _open_checked(path: Path) -> AsyncIterator[Database]:
    async with open_database(path, "traffic", synchronous="NORMAL") as database:
        ((verdict,),) = await database.read("check_traffic")
        if verdict != "ok":
            raise StartupError(verdict)
        yield database


def _set_aside(path: Path) -> None:
    path.replace(path.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
