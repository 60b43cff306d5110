"""The target: only safe addresses, and secrets that are never printed."""

import pytest

from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import SettingError


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/createos/",
        "http://localhost:7000",
        "http://127.0.0.1:7000",
        "http://127.9.9.9",
        "http://[::1]:7000",
    ],
)
def test_https_and_this_machine_are_accepted(base_url: str) -> None:
    assert ApiTarget(base_url=base_url, credentials=Credentials()).base_url == base_url


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0:7000",
        "ftp://api.example.com",
        "api.example.com",
        "https://",
        "https://user:password@api.example.com",
        "http://localhost@api.example.com",
        "https://api.example.com/v1",
        "https://api.example.com/v1/",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        " https://api.example.com",
        "https://api example.com",
        "https://api.example.com:port",
        "https://[::1",
    ],
)
def test_any_other_address_is_refused_with_the_name_of_the_variable(base_url: str) -> None:
    with pytest.raises(SettingError, match="CREATEOS_API_URL") as caught:
        ApiTarget(base_url=base_url, credentials=Credentials())

    assert "password" not in str(caught.value).replace("user name or password", "")


def test_the_key_wins_over_the_token() -> None:
    assert Credentials(api_key="skp_1", access_token="t").headers() == {"X-Api-Key": "skp_1"}  # noqa: S106
    assert Credentials(access_token="t").headers() == {"X-Access-Token": "t"}  # noqa: S106
    assert Credentials().headers() == {}


def test_secrets_are_not_printed() -> None:
    credentials = Credentials(api_key="skp_secret", access_token="eyJsecret")  # noqa: S106
    target = ApiTarget(base_url="https://api.example.com", credentials=credentials)

    assert "secret" not in f"{credentials!r} {credentials} {target!r}"


@pytest.mark.parametrize("secret", ["skp_1\r\nX-Evil: 1", "skp 1", "schlüssel", "skp_1\x00"])
def test_a_secret_that_no_header_can_carry_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(SettingError, match="CREATEOS_API_KEY") as caught:
        Credentials(api_key=secret)

    assert secret not in str(caught.value)
