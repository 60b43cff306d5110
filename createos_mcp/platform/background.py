"""Work in the background: as long as the platform lives, and a fault in one ends that one alone."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

from anyio.abc import TaskGroup

from createos_mcp.platform.errors import IllegalTransitionError

logger = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")


class Background:
    """Starts tasks that nobody waits for.

    Args:
        tasks: Task group that they live in; ends with the platform.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def start(
        self, work: Callable[[Unpack[Arguments]], Awaitable[None]], *arguments: *Arguments
    ) -> None:
        """Begin some work; a fault in it is logged."""
        self._tasks.start_soon(self._guard, work, arguments)

    async def _guard(
        self, work: Callable[..., Awaitable[None]], arguments: tuple[object, ...]
    ) -> None:
        try:
            await work(*arguments)
        except IllegalTransitionError as error:
            logger.info("overtaken by a change of state: %s", error)
        except Exception:
            logger.exception("a fault of the platform in %s", work.__qualname__)
