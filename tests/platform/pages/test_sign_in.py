import pytest

from createos_mcp.platform.errors import UnauthorizedError
from createos_mcp.platform.pages.sign_in import (
    CODE_VALID_S,
    MAX_CODES,
    SESSION_VALID_S,
    SignIn,
)


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_code_begins_one_session_and_no_second_one() -> None:
    sign_in = SignIn()
    code = sign_in.issue("user", "key")
    session = sign_in.find(sign_in.redeem(code))
    assert session is not None
    assert (session.user_id, session.key_hash) == ("user", "key")
    with pytest.raises(UnauthorizedError):
        sign_in.redeem(code)


def test_a_code_is_over_after_two_minutes_and_a_session_after_twelve_hours() -> None:
    clock = Seconds()
    sign_in = SignIn(clock)
    early, late = sign_in.issue("user", "key"), sign_in.issue("user", "key")
    clock.now = CODE_VALID_S
    secret = sign_in.redeem(early)
    clock.now = CODE_VALID_S + 0.1
    with pytest.raises(UnauthorizedError):
        sign_in.redeem(late)
    clock.now = CODE_VALID_S + SESSION_VALID_S
    assert sign_in.find(secret) is not None
    clock.now += 0.1
    assert sign_in.find(secret) is None


def test_a_session_is_closed_alone_or_with_all_others_of_its_user() -> None:
    sign_in = SignIn()
    mine, also_mine, hers = (
        sign_in.redeem(sign_in.issue(user, "key")) for user in ("me", "me", "her")
    )
    sign_in.close(mine)
    assert sign_in.find(mine) is None
    assert sign_in.find(also_mine) is not None
    sign_in.close_all("me")
    assert sign_in.find(also_mine) is None
    assert sign_in.find(hers) is not None


@pytest.mark.parametrize("code", ["", "x", "\ud800", "a" * 10_000])
def test_what_was_not_issued_begins_nothing(code: str) -> None:
    sign_in = SignIn()
    with pytest.raises(UnauthorizedError):
        sign_in.redeem(code)
    assert sign_in.find(code) is None


def test_codes_that_nobody_uses_make_room() -> None:
    sign_in = SignIn()
    first, *_, last = [sign_in.issue("user", "key") for _ in range(MAX_CODES + 1)]
    assert sign_in.redeem(last)
    with pytest.raises(UnauthorizedError):
        sign_in.redeem(first)


def test_no_user_takes_the_room_of_another() -> None:
    sign_in = SignIn()
    hers = sign_in.issue("her", "key")
    for _ in range(MAX_CODES + 1):
        sign_in.issue("me", "key")
    assert sign_in.redeem(hers)
