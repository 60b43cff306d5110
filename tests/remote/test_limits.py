"""How often and how many at once, by a clock that stands until a test moves it."""

import pytest

from createos_mcp.remote.errors import TooManyCallsError
from createos_mcp.remote.limits import Rate, Slots


class Clock:
    """Tells seconds."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spent(rate: Rate, name: str = "one") -> int:
    """How many more may be taken now."""
    taken = 0
    while rate.wait_s(name) == 0:
        rate.take(name)
        taken += 1
    return taken


@pytest.mark.parametrize("per_minute", [1, 2, 60, 1_200])
def test_a_full_bucket_holds_exactly_the_calls_of_a_minute(per_minute: int, clock: Clock) -> None:
    assert spent(Rate(per_minute, clock=clock)) == per_minute


def test_a_bucket_fills_evenly(clock: Clock) -> None:
    rate = Rate(60, clock=clock)
    spent(rate)

    clock.now_s += 3

    assert spent(rate) == 3


def test_a_bucket_never_holds_more_than_a_minute(clock: Clock) -> None:
    rate = Rate(60, clock=clock)

    clock.now_s += 3_600

    assert spent(rate) == 60


def test_the_wait_is_told_and_enough(clock: Clock) -> None:
    rate = Rate(30, clock=clock)
    spent(rate)
    assert rate.wait_s("one") == pytest.approx(2)

    with pytest.raises(TooManyCallsError, match=r"30 requests per minute; retry in 2 s"):
        rate.take("one")

    clock.now_s += rate.wait_s("one")
    rate.take("one")


def test_buckets_of_different_names_are_their_own(clock: Clock) -> None:
    rate = Rate(5, clock=clock)
    spent(rate)

    assert spent(rate, "another") == 5


def test_slots_are_given_back_also_after_an_error() -> None:
    slots = Slots(2)
    with slots.hold("one"), slots.hold("one"):
        assert slots.taken == 2
        with pytest.raises(TooManyCallsError, match="2 concurrent requests"), slots.hold("one"):
            pass
        with slots.hold("another"):
            assert slots.taken == 3

    with pytest.raises(ValueError, match="inside"), slots.hold("one"):
        raise ValueError("inside")
    assert slots.taken == 0
