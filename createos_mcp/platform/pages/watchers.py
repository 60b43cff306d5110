"""Things that pages watch: looked at once for all who watch, and not at all when nobody does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import anyio

from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.errors import Refusal

Seen = TypeVar("Seen")


class _Watch(Generic[Seen]):
    """One thing that is looked at again and again."""

    def __init__(self, look: Callable[[], Awaitable[Seen]], interval_s: float) -> None:
        self._look = look
        self._interval_s = interval_s
        self._changed = anyio.Event()
        self._seen: Seen | None = None
        self.listeners = 0
        self.work: Work | None = None

    async def run(self) -> None:
        try:
            while True:
                seen = await self._look()
                if seen != self._seen:
                    self._seen = seen
                    self._tell()
                await anyio.sleep(self._interval_s)
        except Refusal:
            # What was watched has been deleted, or its owner has lost access.
            return
        finally:
            self.work = None
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def changes(self) -> AsyncIterator[Seen]:
        """What it is now, and then each time that it changed; ends when it cannot be seen."""
        shown = None
        while True:
            changed = self._changed
            if self._seen is not None and self._seen is not shown:
                shown = self._seen
                yield shown
                continue
            if self.work is None:
                return
            await changed.wait()


class Watchers:
    """The things that are watched at present.

    Args:
        background: Where they are looked at.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._watched: dict[Hashable, _Watch[object]] = {}

    @property
    def watched(self) -> int:
        """How many things are looked at."""
        return len(self._watched)

    @asynccontextmanager
    async def watching(
        self, topic: Hashable, look: Callable[[], Awaitable[Seen]], *, interval_s: float
    ) -> AsyncIterator[AsyncIterator[Seen]]:
        """What a topic looks like, and each change of it, as long as the block runs.

        Args:
            topic: Names the thing; all who give the same one share the looks of the first.
            look: Tells what it is now; equal values are no change. An error ends the watch.
            interval_s: Time between two looks.
        """
        watch = self._watched.get(topic)
        if watch is None:
            watch = self._watched[topic] = _Watch(look, interval_s)
            watch.work = self._background.start(watch.run)
        watch.listeners += 1
        try:
            yield watch.changes()  # type: ignore[misc]
        finally:
            watch.listeners -= 1
            if not watch.listeners:
                del self._watched[topic]
                if watch.work is not None:
                    watch.work.scope.cancel()
