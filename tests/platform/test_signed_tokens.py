from datetime import UTC, datetime, timedelta

import jwt
import pytest

from createos_mcp.platform.api.downloads import Downloads
from createos_mcp.platform.errors import NotFoundError, TokenError
from createos_mcp.platform.signed_tokens import SignedTokens

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4


class Clock:
    moment = NOON

    def __call__(self) -> datetime:
        return self.moment


def tokens(clock: Clock, secret: str = SECRET) -> SignedTokens:
    return SignedTokens(secret=secret, claims=("what",), valid_for=timedelta(minutes=5), now=clock)


def test_a_token_says_what_it_was_made_of_and_when_it_expires() -> None:
    clock = Clock()
    text, expires_at = tokens(clock).issue({"what": "this"})
    claims, read_expiry = tokens(clock).read(text)
    assert claims["what"] == "this"
    assert expires_at == read_expiry == NOON + timedelta(minutes=5)


@pytest.mark.parametrize(("later_s", "is_good"), [(299, True), (300, False), (301, False)])
def test_a_token_is_good_until_the_moment_it_expires(later_s: int, *, is_good: bool) -> None:
    clock = Clock()
    text, _ = tokens(clock).issue({"what": "this"})
    clock.moment += timedelta(seconds=later_s)
    if is_good:
        tokens(clock).read(text)
        return
    with pytest.raises(TokenError, match="expired"):
        tokens(clock).read(text)


def test_what_was_signed_elsewhere_or_says_too_little_is_not_believed() -> None:
    times = {"iat": int(NOON.timestamp()), "exp": int(NOON.timestamp()) + 60}
    strangers = (
        "",
        "a.b.c",
        "ä",
        tokens(Clock(), secret=SECRET[::-1]).issue({"what": "this"})[0],
        jwt.encode({"what": "this", **times}, key="", algorithm="none"),
        jwt.encode({"what": "this", **times}, SECRET, algorithm="HS512"),
        jwt.encode(times, SECRET, algorithm="HS256"),
        jwt.encode({"what": "this"}, SECRET, algorithm="HS256"),
    )
    for text in strangers:
        with pytest.raises(TokenError, match="not issued"):
            tokens(Clock()).read(text)


def test_a_download_link_is_for_one_deployment_and_one_hour() -> None:
    clock = Clock()
    downloads = Downloads(secret=SECRET, now=clock)
    token = downloads.link("http://api", "one").partition("?token=")[2]
    downloads.check("one", token)
    with pytest.raises(NotFoundError):
        downloads.check("two", token)
    clock.moment += timedelta(hours=1)
    with pytest.raises(NotFoundError):
        downloads.check("one", token)
