"""Work in the background: as long as the platform lives, and a fault in one ends that one alone."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVarTuple, Unpack

import anyio
from anyio.abc import TaskGroup

from createos_mcp.platform.errors import IllegalTransitionError

logger = logging.getLogger(__name__)

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before work that is kept up begins again; longer each time that it fails soon."""

Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One piece of work under way: how to abandon it and how to know that it ended."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    async def abandon(self) -> None:
        """End it; whatever it holds has been let go when this returns."""
        self.scope.cancel()
        await self.ended.wait()


class Background:
    """Starts tasks that nobody waits for.

    Args:
        tasks: Task group that they live in; ends with the platform.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def start(
        self, work: Callable[[Unpack[Arguments]], Awaitable[None]], *arguments: *Arguments
    ) -> Work:
        """Begin some work; a fault in it is logged."""
        begun = Work()
        self._tasks.start_soon(self._guard, begun, work, arguments)
        return begun

    def keep(self, work: Callable[[], Awaitable[None]]) -> Work:
        """Do some work for as long as the platform lives; after an error it begins again."""
        return self.start(_kept, work)

    async def _guard(
        self, begun: Work, work: Callable[..., Awaitable[None]], arguments: tuple[object, ...]
    ) -> None:
        try:
            with begun.scope:
                await work(*arguments)
        except IllegalTransitionError as error:
            logger.info("overtaken by a change of state: %s", error)
        except Exception:
            logger.exception("internal error in %s", work.__qualname__)
        finally:
            begun.ended.set()


async def _kept(work: Callable[[], Awaitable[None]]) -> None:
    pause_s = SHORTEST_PAUSE_S
    while True:
        began = anyio.current_time()
        try:
            await work()
        except Exception:
            logger.exception("internal error in %s, which begins again", work.__qualname__)
        if anyio.current_time() - began > LONGEST_PAUSE_S:
            pause_s = SHORTEST_PAUSE_S
        await anyio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
