"""Work in the background: as long as the platform lives, and a fault in one ends that one alone."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVarTuple, Unpack

import anyio
from anyio.abc import TaskGroup

from createos_mcp.platform.errors import IllegalTransitionError

logger = logging.getLogger(__name__)

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
