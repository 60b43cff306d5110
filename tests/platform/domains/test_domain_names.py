"""A domain's name, spelled as DNS spells it."""

import pytest

from createos_mcp.platform.domains.domain_names import read_name
from createos_mcp.platform.errors import InvalidRequestError

NAMES = {
    "app.example.com": "app.example.com",
    "App.Example.COM": "app.example.com",
    "app.example.com.": "app.example.com",
    "Bücher.Example.com": "xn--bcher-kva.example.com",
    "xn--bcher-kva.example.com": "xn--bcher-kva.example.com",
    "a.b": "a.b",
    "1.example.com": "1.example.com",
    f"{'a' * 63}.com": f"{'a' * 63}.com",
}


@pytest.mark.parametrize(("given", "name"), NAMES.items())
def test_one_name_is_spelled_one_way(given: str, name: str) -> None:
    assert read_name(given) == name


REFUSED = {
    "example": "it has no dot",
    "192.0.2.1": "IP address",
    "app.example.42": "ends in a number",
    "localhost": "it has no dot",
    "app.localhost": "this machine's own",
    "": "",
    "a..b": "",
    "-a.com": "",
    "a_b.com": "",
    "app.example.com:80": "",
    "https://app.example.com": "",
    "*.example.com": "",
    f"{'a' * 64}.com": "",
    f"{'a.' * 127}com": "",
}


@pytest.mark.parametrize(("given", "reason"), REFUSED.items())
def test_what_no_domain_can_be_routed_by_is_refused_by_field(given: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^name: .*app\.example\.com") as refusal:
        read_name(given)
    assert reason in str(refusal.value)
