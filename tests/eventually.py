"""Waiting for what happens in the background."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

PATIENCE_S = 60


async def eventually(
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    pause_s: float = 0.02,
) -> T:
    """What is seen once it holds; fails with what was seen last when the time is over."""
    last: object = None
    with anyio.move_on_after(within_s):
        while not holds(seen := await look()):
            last = seen
            await anyio.sleep(pause_s)
        return seen
    raise AssertionError(f"not within {within_s} s; last seen: {last!r}")


async def until(condition: Callable[[], object], *, pause_s: float = 0.005) -> None:
    """Return once a condition holds that costs nothing to look at."""

    async def look() -> object:
        return condition()

    await eventually(look, pause_s=pause_s)


def eventually_now(
    look: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    pause_s: float = 0.02,
) -> T:
    """The same where nothing is asynchronous."""
    deadline = time.monotonic() + within_s
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"not within {within_s} s; last seen: {seen!r}"
        time.sleep(pause_s)
    return seen
