"""Sealed upload addresses: whose they are, how long, how often."""

import pytest

from createos_mcp.client.target import Credentials
from createos_mcp.remote.auth.upload_tokens import LIFE_S, Ticket, Tickets
from createos_mcp.remote.errors import UploadAddressError

KEYS = ("k" * 32,)
PATH = "/v1/projects/p1/deployments/upload-zip"
OWN = Ticket(path=PATH, credentials=Credentials(api_key="skp_secret"))


class Clock:
    now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    "ticket",
    [
        OWN,
        Ticket(path=PATH, credentials=Credentials(access_token=KEYS[0])),
        Ticket(path=PATH, credentials=None),
    ],
    ids=["key", "token", "shared key"],
)
def test_a_ticket_comes_back_as_it_was_sealed(ticket: Ticket) -> None:
    tickets = Tickets(KEYS)

    assert tickets.open(tickets.seal(ticket)) == ticket


def test_a_ticket_hides_its_credentials() -> None:
    assert "skp_secret" not in Tickets(KEYS).seal(OWN)


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets(KEYS)
    sealed = tickets.seal(OWN)
    tickets.open(sealed)

    with pytest.raises(UploadAddressError, match="already been used"):
        tickets.open(sealed)


def test_a_ticket_lasts_its_time_and_no_longer() -> None:
    clock = Clock()
    tickets = Tickets(KEYS, clock=clock)
    first, second = tickets.seal(OWN), tickets.seal(OWN)

    clock.now_s += LIFE_S
    assert tickets.open(first) == OWN

    clock.now_s += 1
    with pytest.raises(UploadAddressError, match=r"has expired \(15 min\)"):
        tickets.open(second)


@pytest.mark.parametrize("sealed", ["", "x", "AAAA", "v1.AAAA.BBBB"])
def test_what_was_never_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(UploadAddressError, match="not issued by this server"):
        Tickets(KEYS).open(sealed)


def test_a_ticket_of_other_keys_is_refused() -> None:
    sealed = Tickets(("x" * 32,)).seal(OWN)

    with pytest.raises(UploadAddressError, match="not issued by this server"):
        Tickets(KEYS).open(sealed)


def test_an_older_key_still_opens() -> None:
    sealed = Tickets(KEYS).seal(OWN)

    assert Tickets(("n" * 32, *KEYS)).open(sealed) == OWN


def test_another_use_of_the_same_keys_is_not_taken_for_a_ticket() -> None:
    tickets = Tickets(KEYS)
    other = tickets._codec.seal(b'["s", 99999999999, "/v1/x", true, null, null]')  # noqa: SLF001

    with pytest.raises(UploadAddressError, match="not issued by this server"):
        tickets.open(other)
