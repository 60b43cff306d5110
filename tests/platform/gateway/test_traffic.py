import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from createos_mcp.platform.gateway.path_patterns import OTHER, PATTERNS_PER_HOUR
from createos_mcp.platform.gateway.traffic import SECONDS_KEPT_S, Traffic, Window, open_traffic

START = int(datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC).timestamp())
EVER = Window(start=0, end=2 * START)


class Clock:
    """Tells whatever moment a test has come to."""

    def __init__(self) -> None:
        self.moment = datetime.fromtimestamp(START, UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@asynccontextmanager
async def counting(path: Path, clock: Clock) -> AsyncIterator[Traffic]:
    async with open_traffic(path / "traffic.db", now=clock, retention_days=7) as traffic:
        yield traffic


async def test_what_is_counted_is_seen_at_once_and_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        traffic.record("one", 200, "/a", 0.01)
        traffic.record("one", 404, "/a", 0.01)
        traffic.record("two", 200, "/a", 0.01)
        assert await traffic.statuses("one", EVER) == {200: 1, 404: 1}
        traffic.record("one", 404, "/b", 0.01)
    async with counting(tmp_path, clock) as traffic:
        assert await traffic.statuses("one", EVER) == {404: 2, 200: 1}


async def test_a_window_includes_its_first_and_last_second(tmp_path: Path) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        for _ in range(4):
            traffic.record("one", 200, "/", 0.01)
            clock.advance(1)
        window = Window(start=START + 1, end=START + 2)
        assert await traffic.statuses("one", window) == {200: 2}


async def test_old_seconds_become_minutes_and_the_sums_stay(tmp_path: Path) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        for _ in range(60):
            traffic.record("one", 200, "/", 0.01)
            clock.advance(1)
        await traffic.flush()
        clock.advance(SECONDS_KEPT_S + 60)
        await traffic.roll()
        points = await traffic.points("one", EVER, width_s=1)
        assert points == {START - 30: {2: 30}, START + 30: {2: 30}}
        clock.advance(60)
        traffic.record("one", 200, "/", 0.01)
        await traffic.flush()
        await traffic.roll()
        assert await traffic.statuses("one", EVER) == {200: 61}
        assert await traffic.peak("one", EVER) == 30


async def test_minutes_are_forgotten_after_the_retention(tmp_path: Path) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        traffic.record("one", 200, "/", 0.01)
        await traffic.flush()
        clock.advance(timedelta(days=6).total_seconds())
        await traffic.roll()
        assert await traffic.statuses("one", EVER) == {200: 1}
        clock.advance(timedelta(days=1, minutes=1).total_seconds())
        await traffic.roll()
        assert await traffic.statuses("one", EVER) == {}


async def test_paths_beyond_the_limit_are_counted_as_one_also_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        for number in range(PATTERNS_PER_HOUR):
            traffic.record("one", 200, f"/page-{number}", 0.01)
    async with counting(tmp_path, clock) as traffic:
        for number in range(7):
            traffic.record("one", 200, f"/more-{number}", 0.01)
        top, *_ = await traffic.top_paths("one", EVER)
        assert tuple(top) == (OTHER, 7)
        assert sum((await traffic.statuses("one", EVER)).values()) == PATTERNS_PER_HOUR + 7


@pytest.mark.parametrize("kept_bytes", [0, 8192])
async def test_a_damaged_file_is_set_aside_and_counting_goes_on(
    tmp_path: Path, kept_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        for number in range(400):
            traffic.record("one", 200, f"/page-{number}", 0.01)
    file = tmp_path / "traffic.db"
    intact = file.read_bytes()
    file.write_bytes(intact[:kept_bytes] + b"damage" * ((len(intact) - kept_bytes) // 6))
    with caplog.at_level(logging.WARNING):
        async with counting(tmp_path, clock) as traffic:
            traffic.record("one", 200, "/", 0.01)
            assert await traffic.statuses("one", EVER) == {200: 1}

    assert "moved aside" in caplog.text
    assert (tmp_path / "traffic.damaged").exists()


async def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """The file is read by another connection while the first one never closes it."""
    clock = Clock()
    async with counting(tmp_path, clock) as traffic:
        traffic.record("one", 200, "/", 0.01)
        await traffic.flush()
        with closing(sqlite3.connect(tmp_path / "traffic.db")) as connection:
            assert connection.execute("SELECT sum(count) FROM traffic").fetchone() == (1,)
