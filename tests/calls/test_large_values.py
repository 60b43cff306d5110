"""Work through large values is done in a thread of its own, and only that."""

import threading

import pytest

from createos_mcp.calls.large_values import LARGE_CHARACTERS, is_large, run_beside
from createos_mcp.contract.values import Json

ROW = {"id": "0b8f0e0e", "name": "my-app", "tags": ["a", "b"]}
LARGE: tuple[Json, ...] = (
    "x" * (LARGE_CHARACTERS + 1),
    {"log": "x" * (LARGE_CHARACTERS + 1)},
    [ROW] * 1000,
    {"data": [{"deep": [ROW] * 1000}]},
    {str(number): None for number in range(10_000)},
    [1] * 10_000,
)
SMALL: tuple[Json, ...] = (None, 1, "", [], {}, ROW, [ROW] * 50, "x" * 10_000)


@pytest.mark.parametrize("value", LARGE, ids=lambda value: str(value)[:40])
async def test_a_step_through_a_large_value_holds_nobody_up(value: Json) -> None:
    assert is_large(value)
    assert await run_beside(threading.get_ident, is_long=is_large(value)) != threading.get_ident()


@pytest.mark.parametrize("value", SMALL, ids=lambda value: str(value)[:40])
async def test_a_step_through_a_small_one_needs_no_thread(value: Json) -> None:
    assert not is_large(value)
    assert await run_beside(threading.get_ident, is_long=is_large(value)) == threading.get_ident()


async def test_what_a_step_raises_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_beside(lambda: 1 // 0, is_long=True)
