"""Large values: work through them is done beside the event loop, so that others do not wait."""

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from createos_mcp.contract.values import Json

LARGE_CHARACTERS = 100_000
LARGE_MEMBERS = 5_000
"""A step through so much takes milliseconds."""

Result = TypeVar("Result")


async def run_beside(step: Callable[[], Result], *, is_long: bool) -> Result:
    """Run a step; in a thread where it takes longer than others should wait."""
    return await to_thread.run_sync(step) if is_long else step()


def is_large(value: Json) -> bool:
    """Whether a value is large; it is looked at no further than that takes."""
    characters = 0
    found = [value]
    for one in found:
        if isinstance(one, str):
            characters += len(one)
        elif isinstance(one, dict):
            found += one.values()
        elif isinstance(one, list):
            found += one
        if characters > LARGE_CHARACTERS or len(found) > LARGE_MEMBERS:
            return True
    return False
