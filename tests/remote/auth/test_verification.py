"""What is remembered of credentials, and for how long."""

from collections import Counter

import anyio
import anyio.lowlevel
import pytest

from createos_mcp.client.target import Credentials
from createos_mcp.contract.errors import ApiError, CallError, ConnectionFailedError
from createos_mcp.contract.http import Endpoint, Request
from createos_mcp.contract.values import Json
from createos_mcp.remote.auth.verification import (
    ACCEPTED_TTL_S,
    MAX_CONCURRENT_CHECKS,
    REFUSALS_PER_MINUTE,
    REFUSED_TTL_S,
    UNSURE_TTL_S,
    Verification,
)
from createos_mcp.remote.errors import TooManyCallsError

PEER = "192.0.2.1"


class Platform:
    """Answers as a test says, and counts how often it is asked about each key."""

    def __init__(self, outcome: CallError | None = None) -> None:
        self.outcome = outcome
        self.asked: Counter[str | None] = Counter()
        self.at_once = self.most_at_once = 0

    async def __call__(
        self, request: Request, endpoint: Endpoint, credentials: Credentials | None = None
    ) -> Json:
        assert (request.method, request.path) == ("GET", "/v1/users/me")
        assert endpoint.method == "GET"
        self.asked[credentials.api_key if credentials else None] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.lowlevel.checkpoint()
        self.at_once -= 1
        if self.outcome is not None:
            raise self.outcome
        return {}


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def is_refused(verification: Verification, key: str = "skp_a", peer: str = PEER) -> bool:
    return await verification.is_refused(Credentials(api_key=key), key, peer)


KINDS: dict[str, tuple[CallError | None, bool, float]] = {
    "accepted": (None, False, ACCEPTED_TTL_S),
    "refused": (ApiError(401, "no"), True, REFUSED_TTL_S),
    "forbidden here and good elsewhere": (ApiError(403, "no"), False, ACCEPTED_TTL_S),
    "too many": (ApiError(429, "slow"), False, UNSURE_TTL_S),
    "server error": (ApiError(500, "oops"), False, UNSURE_TTL_S),
    "no connection": (ConnectionFailedError("http://x", "no"), False, UNSURE_TTL_S),
}


@pytest.mark.parametrize(("outcome", "refused", "ttl_s"), KINDS.values(), ids=KINDS)
async def test_a_verdict_is_remembered_for_its_time(
    outcome: CallError | None, ttl_s: float, *, refused: bool
) -> None:
    clock, platform = Clock(), Platform(outcome)
    verification = Verification(platform, clock=clock)
    assert await is_refused(verification) is refused

    clock.now_s += ttl_s - 0.1
    assert await is_refused(verification) is refused
    assert platform.asked["skp_a"] == 1

    clock.now_s += 0.2
    assert await is_refused(verification) is refused
    assert platform.asked["skp_a"] == 2


async def test_many_requests_with_one_key_ask_once() -> None:
    platform = Platform()
    verification = Verification(platform)
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(is_refused, verification)

    assert platform.asked == {"skp_a": 1}


async def test_the_platform_is_asked_about_a_bounded_number_of_keys_at_once() -> None:
    platform = Platform()
    verification = Verification(platform)
    async with anyio.create_task_group() as tasks:
        for number in range(3 * MAX_CONCURRENT_CHECKS):
            tasks.start_soon(is_refused, verification, f"skp_{number}")

    assert platform.most_at_once == MAX_CONCURRENT_CHECKS


async def test_a_key_that_a_call_was_refused_with_is_refused_at_once() -> None:
    platform = Platform()
    verification = Verification(platform)
    assert not await is_refused(verification)

    verification.refuse("skp_a")

    assert await is_refused(verification)
    assert platform.asked["skp_a"] == 1


async def test_an_address_that_brings_many_bad_keys_is_cut_off_and_others_are_not() -> None:
    verification = Verification(Platform(ApiError(401, "no")), clock=Clock())
    for number in range(REFUSALS_PER_MINUTE):
        assert await is_refused(verification, f"skp_{number}")

    with pytest.raises(TooManyCallsError):
        await is_refused(verification, "skp_another")
    assert await is_refused(verification, "skp_another", "192.0.2.2")


async def test_good_keys_cost_an_address_nothing() -> None:
    verification = Verification(Platform(), clock=Clock())

    for number in range(2 * REFUSALS_PER_MINUTE):
        assert not await is_refused(verification, f"skp_{number}")


async def test_the_newest_verdict_on_a_key_is_the_one_that_counts() -> None:
    platform = Platform()
    clock = Clock()
    verification = Verification(platform, clock=clock)
    assert not await is_refused(verification)
    verification.refuse("skp_a")

    # The refusal ends first, and the older verdict is not there any more.
    clock.now_s += REFUSED_TTL_S + 1
    platform.outcome = ApiError(401, "no")

    assert await is_refused(verification)
