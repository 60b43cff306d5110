from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from createos_mcp.platform.background import Background
from createos_mcp.platform.pages.watchers import Watchers
from tests.eventually import eventually

SOON_S = 0.01


class Thing:
    """Something that changes, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.value: int = 0
        self.looks = 0
        self.breaks = False

    async def look(self) -> int:
        self.looks += 1
        if self.breaks:
            raise ValueError("gone")
        return self.value


@asynccontextmanager
async def open_watchers() -> AsyncIterator[Watchers]:
    async with anyio.create_task_group() as tasks:
        yield Watchers(Background(tasks))
        tasks.cancel_scope.cancel()


async def test_all_who_watch_a_thing_share_one_look_at_it() -> None:
    thing = Thing()
    seen: list[list[int]] = [[] for _ in range(10)]
    async with open_watchers() as watchers, anyio.create_task_group() as tasks:

        async def follow(into: list[int]) -> None:
            async with watchers.watching("thing", thing.look, interval_s=SOON_S) as changes:
                async for value in changes:
                    into.append(value)
                    if value == 2:
                        return

        for into in seen:
            tasks.start_soon(follow, into)
        await eventually(lambda: _now(all(seen)), bool)
        assert watchers.watched == 1
        thing.value = 2
    assert seen == [[0, 2]] * 10


async def _now(value: object) -> object:
    return value


async def test_nothing_is_looked_at_when_nobody_watches() -> None:
    thing = Thing()
    async with open_watchers() as watchers:
        async with watchers.watching("thing", thing.look, interval_s=SOON_S) as changes:
            async for _ in changes:
                break
        assert watchers.watched == 0
        looks = thing.looks
        await anyio.sleep(10 * SOON_S)
        assert thing.looks == looks


async def test_a_thing_that_cannot_be_seen_any_more_ends_its_watch() -> None:
    thing = Thing()
    seen = []
    async with (
        open_watchers() as watchers,
        watchers.watching("thing", thing.look, interval_s=SOON_S) as changes,
    ):
        async for value in changes:
            seen.append(value)
            thing.breaks = True
    assert seen == [0]
