from pathlib import Path

import pytest

from createos_mcp.contract.errors import SettingError
from createos_mcp.settings.settings import (
    Settings,
    flag,
    setting_table,
    unknown_variables,
    variable_of,
)


def test_without_anything_given_calls_go_to_the_local_platform() -> None:
    settings = Settings.from_environ({"PATH": "/bin"}, {})
    assert settings.is_local
    assert settings.attempts == 4
    assert settings.result_budget_bytes == 60_000


@pytest.mark.parametrize("name", ["CREATEOS_API_KEY", "CREATEOS_ACCESS_TOKEN", "CREATEOS_API_URL"])
def test_a_key_a_token_or_an_address_leads_away_from_it(name: str) -> None:
    assert not Settings.from_environ({name: "https://example.com"}, {}).is_local


def test_every_setting_is_read_from_its_variable_and_a_flag_wins() -> None:
    given = {
        "CREATEOS_READ_TIMEOUT_S": " 5.5 ",
        "CREATEOS_ATTEMPTS": "2",
        "CREATEOS_LOG_LEVEL": "DEBUG",
        "CREATEOS_DATA_DIR": "/srv/createos",
        "CREATEOS_PLATFORM_API_PORT": "8080",
        "CREATEOS_PLATFORM_DNS_SERVERS": "192.0.2.1, 127.0.0.1:5353,[::1]:53,[2001:db8::1]",
        "CREATEOS_TOOLSETS": "projects, domains",
        "CREATEOS_READ_ONLY": "Yes",
        "CREATEOS_DEPLOY_ROOTS": "/srv/apps:/srv/sites",
        "CREATEOS_CONFIRM": "Refuse",
    }
    settings = Settings.from_environ(given, {"attempts": "3"})
    assert settings.read_timeout_s == 5.5
    assert settings.attempts == 3
    assert settings.log_level == "debug"
    assert settings.platform_dir == Path("/srv/createos")
    assert settings.platform.api_port == 8080
    servers = ("192.0.2.1", "127.0.0.1:5353", "[::1]:53", "[2001:db8::1]")
    assert settings.platform.dns_servers == servers
    assert settings.toolsets == {"projects", "domains"}
    assert settings.read_only
    assert settings.deploy_roots == (Path("/srv/apps"), Path("/srv/sites"))
    assert settings.confirm == "refuse"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CREATEOS_API_URL": "${API_URL}"}, ("placeholder", "${API_URL}")),
        ({"CREATEOS_ATTEMPTS": "0"}, ("from 1 to 10", "'0'")),
        ({"CREATEOS_ATTEMPTS": "two"}, ("from 1 to 10", "'two'")),
        ({"CREATEOS_ATTEMPTS": "9" * 5_000}, ("from 1 to 10",)),
        ({"CREATEOS_READ_TIMEOUT_S": "soon"}, ("seconds", "'soon'")),
        ({"CREATEOS_READ_TIMEOUT_S": "nan"}, ("seconds",)),
        ({"CREATEOS_READ_TIMEOUT_S": "-1"}, ("seconds",)),
        ({"CREATEOS_RESULT_BUDGET_BYTES": "100"}, ("2000",)),
        ({"CREATEOS_TOOLSETS": " , "}, ("CREATEOS_TOOLSETS", "comma-separated")),
        ({"CREATEOS_READ_ONLY": "maybe"}, ("CREATEOS_READ_ONLY", "true or false", "'maybe'")),
        ({"CREATEOS_CONFIRM": "ask"}, ("proceed, refuse", "'ask'")),
        ({"CREATEOS_LOG_LEVEL": "loud"}, ("debug", "'loud'")),
        ({"CREATEOS_DATA_DIR": "relative"}, ("absolute path", "'relative'")),
        ({"CREATEOS_PLATFORM_API_PORT": "70000"}, ("65535",)),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "dns.example.com"}, ("[::1]:53", "dns.example.com")),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "192.0.2.1,"}, ("separated by commas", "''")),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "192.0.2.1:0"}, ("192.0.2.1:0",)),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "192.0.2.1:70000"}, ("192.0.2.1:70000",)),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "192.0.2.1/24"}, ("192.0.2.1/24",)),
        ({"CREATEOS_PLATFORM_DNS_SERVERS": "me@192.0.2.1"}, ("me@192.0.2.1",)),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name_and_remedy(
    given: dict[str, str], words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingError) as refusal:
        Settings.from_environ(given, {})
    for word in words:
        assert word in str(refusal.value)


def test_a_bad_flag_is_named_as_it_was_typed() -> None:
    with pytest.raises(SettingError, match="--attempts: expected"):
        Settings.from_environ({}, {"attempts": "x"})


def test_secrets_are_in_no_representation_or_refusal() -> None:
    secret = "skp_" + "x" * 20
    settings = Settings.from_environ({"CREATEOS_API_KEY": secret}, {})
    assert settings.api_key == secret
    assert secret not in repr(settings)
    assert secret not in repr(Settings.from_environ({"CREATEOS_API_KEY": f"${{{secret}}}"}, {}))


@pytest.mark.parametrize("name", setting_table())
def test_every_setting_has_a_help_text_a_variable_and_a_flag(name: str) -> None:
    row = setting_table()[name]

    assert row.metadata["help"].endswith(".")
    assert variable_of(name) == f"CREATEOS_{name.upper()}"
    assert flag(name) == f"--{name.replace('_', '-')}"


def test_an_unknown_variable_is_a_warning_that_names_the_nearest_setting() -> None:
    environ = {"CREATEOS_API_KYE": "x", "CREATEOS_DEBUG": "1", "PATH": "/bin"}

    settings, problems = Settings.read(environ, {})
    warnings = list(unknown_variables(environ))

    assert (settings, problems) == (Settings(), ())
    assert len(warnings) == 2
    assert (
        "CREATEOS_API_KYE is not a setting of createos-mcp; did you mean CREATEOS_API_KEY?"
        in warnings
    )
    assert "CREATEOS_DEBUG is not a setting of createos-mcp and is ignored" in warnings


UNFILLED = [
    "",
    "  ",
    '""',
    "''",
    "${CREATEOS_API_KEY}",
    "$CREATEOS_API_KEY",
    "%CREATEOS_API_KEY%",
    "{env:CREATEOS_API_KEY}",
    "${env:CREATEOS_API_KEY}",
    "${input:key}",
    "$env:CREATEOS_API_KEY",
    "$(CREATEOS_API_KEY)",
    "{{CREATEOS_API_KEY}}",
    "<your key>",
    '"${CREATEOS_API_KEY}"',
    "'$CREATEOS_API_KEY'",
    "Bearer ${CREATEOS_API_KEY}",
]
"""What clients hand over when they do not know the variable."""


@pytest.mark.parametrize("name", ["CREATEOS_API_KEY", "CREATEOS_ACCESS_TOKEN"])
@pytest.mark.parametrize("value", UNFILLED)
def test_a_key_that_nobody_filled_in_is_told_from_none(name: str, value: str) -> None:
    settings, problems = Settings.read({name: value}, {})

    assert problems == ()
    assert settings.unfilled == name
    assert (settings.api_key, settings.access_token) == (None, None)
    assert not settings.is_local


@pytest.mark.parametrize("key", ["skp_abc", "a$b", "100%", "x{y}z", "<", "$"])
def test_a_key_with_such_characters_in_it_is_a_key(key: str) -> None:
    settings, problems = Settings.read({"CREATEOS_API_KEY": key}, {})

    assert (settings.api_key, settings.unfilled, problems) == (key, None, ())


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("CREATEOS_API_URL", True),
        ("CREATEOS_SERVE_METRICS_TOKEN", False),
        ("CREATEOS_SERVE_STATE_KEYS", False),
    ],
)
def test_a_placeholder_of_a_secret_is_not_repeated(name: str, *, is_shown: bool) -> None:
    _, (problem,) = Settings.read({name: "${part-of-a-secret}"}, {})

    assert "placeholder" in str(problem)
    assert ("part-of-a-secret" in str(problem)) is is_shown
