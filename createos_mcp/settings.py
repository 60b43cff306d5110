"""The settings: one table of what can be chosen, by a `CREATEOS_` variable or a flag.

A setting `read_timeout_s` is the variable `CREATEOS_READ_TIMEOUT_S` and the flag
`--read-timeout-s`. Secrets have no flag, because every user of a machine can read flags.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from platformdirs import user_data_path

from createos_mcp.errors import SettingError, quote

Unasked: TypeAlias = Literal["proceed", "refuse"]
"""What becomes of a call that a person should allow when the client cannot ask one."""

PREFIX = "CREATEOS_"

CLOUD_URL = "https://api-createos.nodeops.network"

LOG_LEVELS = ("debug", "info", "warning", "error")

SWITCHES = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip

SHOWN_BYTES = 60

_MAX_PORT = 65_535


def _show(raw: str) -> str:
    return repr(quote(raw, limit_bytes=SHOWN_BYTES))


def _text(raw: str) -> str:
    return raw


def _directory(raw: str) -> Path:
    path = Path(raw).expanduser()
    if not path.is_absolute():
        raise ValueError(f"expected an absolute path, got {_show(raw)}")
    return path


def _names(raw: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in raw.split(",") if name.strip())
    if not names:
        raise ValueError(f"expected names with commas between them, got {_show(raw)}")
    return names


def _switch(raw: str) -> bool:
    if raw.lower() not in SWITCHES:
        raise ValueError(f"expected true or false, got {_show(raw)}")
    return SWITCHES[raw.lower()]


def _one_of(*known: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw.lower() not in known:
            raise ValueError(f"expected one of {', '.join(known)}, got {_show(raw)}")
        return raw.lower()

    return read


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        expected = f"expected a whole number from {least} to {most}, got {_show(raw)}"
        if not (raw.isascii() and raw.isdecimal()) or not least <= int(raw[:12]) <= most:
            raise ValueError(expected)
        return int(raw)

    return read


def _addresses(raw: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in raw.split(","))
    for address in addresses:
        try:
            parts = urlsplit(f"//{address}")
            ip_address(parts.hostname or "")
            usable = parts.netloc == address and parts.port != 0 and "@" not in address
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "expected addresses such as 192.0.2.1, 127.0.0.1:5353 or [::1]:53, "
                f"separated by commas, got {_show(address)}"
            )
    return addresses


def _number(unit: str, most: float, *, zero: bool = False) -> Callable[[str], float]:
    def read(raw: str) -> float:
        expected = f"expected a number of {unit} up to {most:g}, got {_show(raw)}"
        try:
            number = float(raw)
        except ValueError:
            raise ValueError(expected) from None
        if not 0 <= number <= most or (number == 0 and not zero):
            raise ValueError(expected)
        return number

    return read


def _row(
    read: Callable[[str], object], sentence: str, *, secret: bool = False, shown: str = ""
) -> dict[str, Any]:
    """What the table knows of a setting beside its name, type and default.

    Args:
        read: Turns a text into the value, or raises ValueError with what it expected.
        sentence: What the setting is for.
        secret: Whether its value must never be shown.
        shown: The default in words, where the value says little.
    """
    return {"read": read, "sentence": sentence, "secret": secret, "shown": shown}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was chosen. Secrets do not appear in its representation."""

    api_key: str | None = field(
        default=None,
        repr=False,
        metadata=_row(_text, "API key; with one, calls go to the CreateOS cloud.", secret=True),
    )
    access_token: str | None = field(
        default=None,
        repr=False,
        metadata=_row(_text, "OAuth access token, in place of a key.", secret=True),
    )
    api_url: str | None = field(
        default=None,
        metadata=_row(
            _text,
            "Base URL of the REST API: https, or http on this machine.",
            shown="the cloud with a key or token, otherwise the local platform",
        ),
    )
    connect_timeout_s: float = field(
        default=10.0, metadata=_row(_number("seconds", 300), "Limit for making a connection.")
    )
    read_timeout_s: float = field(
        default=30.0, metadata=_row(_number("seconds", 3600), "Limit for a silence of the API.")
    )
    upload_timeout_s: float = field(
        default=300.0, metadata=_row(_number("seconds", 3600), "The same while files are uploaded.")
    )
    total_timeout_s: float = field(
        default=60.0,
        metadata=_row(_number("seconds", 7200), "Limit for a call with its repetitions."),
    )
    attempts: int = field(
        default=4,
        metadata=_row(_whole_number(1, 10), "How often a call that may be repeated is tried."),
    )
    toolsets: frozenset[str] = field(
        default=frozenset(),
        metadata=_row(
            _names,
            "Groups of tools to offer, with commas between them; also default, all, dynamic.",
            shown="default: all but cronjobs and templates",
        ),
    )
    tools: frozenset[str] = field(
        default=frozenset(),
        metadata=_row(_names, "Single tools to offer, alone or beside toolsets.", shown="none"),
    )
    exclude_tools: frozenset[str] = field(
        default=frozenset(), metadata=_row(_names, "Tools not to offer.", shown="none")
    )
    read_only: bool = field(
        default=False,
        metadata=_row(_switch, "Offer only tools that change nothing.", shown="false"),
    )
    project: str | None = field(
        default=None,
        metadata=_row(
            _text, "Name or ID of the one project that every call is about.", shown="none"
        ),
    )
    confirm: Unasked | None = field(
        default=None,
        metadata=_row(
            _one_of("proceed", "refuse"),
            "What becomes of a deletion when the client cannot ask a person: proceed, refuse.",
            shown="proceed over stdio, refuse over HTTP",
        ),
    )
    result_budget_bytes: int = field(
        default=60_000,
        metadata=_row(_whole_number(2_000, 10_000_000), "Size from which a tool's answer is cut."),
    )
    max_answer_bytes: int = field(
        default=20_000_000,
        metadata=_row(
            _whole_number(10_000, 1_000_000_000), "Size from which the API's answer is refused."
        ),
    )
    log_level: str = field(
        default="warning",
        metadata=_row(
            _one_of(*LOG_LEVELS), f"Least level of the lines on stderr: {', '.join(LOG_LEVELS)}."
        ),
    )
    data_dir: Path | None = field(
        default=None,
        metadata=_row(
            _directory,
            "Where the local platform keeps its files.",
            shown="createos-mcp in your user data directory",
        ),
    )
    platform_api_port: int = field(
        default=0,
        metadata=_row(
            _whole_number(0, _MAX_PORT),
            "Port of the local platform's API.",
            shown="a free one, then kept",
        ),
    )
    platform_gateway_port: int = field(
        default=0,
        metadata=_row(
            _whole_number(0, _MAX_PORT),
            "Port at which the local platform tells apps apart by host name.",
            shown="a free one, then kept",
        ),
    )
    platform_dns_servers: tuple[str, ...] = field(
        default=(),
        metadata=_row(
            _addresses,
            "DNS servers that the local platform asks about custom domains, separated by commas.",
            shown="the system's",
        ),
    )

    platform_sleep_after_s: float = field(
        default=1800.0,
        metadata=_row(
            _number("seconds", 31_536_000, zero=True),
            "How long a local app runs that nobody asks; 0 lets it run for good.",
        ),
    )
    platform_max_deployed: int = field(
        default=50,
        metadata=_row(
            _whole_number(1, 1000), "Local deployments that run at once; then the oldest sleeps."
        ),
    )
    platform_builds_at_once: int = field(
        default=2, metadata=_row(_whole_number(1, 64), "Local builds that run at once.")
    )
    platform_logs_kept_days: float = field(
        default=7.0,
        metadata=_row(
            _number("days", 3650),
            "How long logs of stopped and deleted local deployments are kept.",
        ),
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], flags: Mapping[str, str]) -> Self:
        """Read what is given; a flag wins over its variable.

        Args:
            environ: The environment; only names that begin with `CREATEOS_` count.
            flags: Setting to value as it was typed, `{"read_timeout_s": "30"}`.

        Raises:
            SettingError: A variable has no meaning, or a value cannot be used.
        """
        settings, problems = cls.read(environ, flags)
        if problems:
            raise problems[0]
        return settings

    @classmethod
    def read(
        cls, environ: Mapping[str, str], flags: Mapping[str, str]
    ) -> tuple[Self, tuple[SettingError, ...]]:
        """The same, with everything that is wrong; what cannot be used keeps its default."""
        table = {variable(setting): setting for setting in fields(cls)}
        given: dict[str, tuple[str, str]] = {}
        problems = []
        for name, raw in environ.items():
            if name in table:
                given[table[name].name] = (name, raw)
            elif name.startswith(PREFIX):
                problems.append(_unknown(name, table))
        given.update({name: (flag(name), raw) for name, raw in flags.items()})
        values: dict[str, Any] = {}
        for setting in table.values():
            if setting.name in given:
                try:
                    values[setting.name] = _read(setting, *given[setting.name])
                except SettingError as error:
                    problems.append(error)
        return cls(**values), tuple(problems)

    @property
    def is_local(self) -> bool:
        """Whether calls go to the local platform."""
        return not (self.api_url or self.api_key or self.access_token)

    @property
    def platform_dir(self) -> Path:
        """The local platform's data directory."""
        return self.data_dir or user_data_path("createos-mcp", appauthor=False)


def variable(setting: Field[Any]) -> str:
    """The variable of a setting, `CREATEOS_READ_TIMEOUT_S`."""
    return variable_of(setting.name)


def variable_of(name: str) -> str:
    """The variable of the setting of that name."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """The flag of a setting, `--read-timeout-s`."""
    return "--" + name.replace("_", "-")


def _unknown(name: str, table: Mapping[str, Field[Any]]) -> SettingError:
    bare = {known.removeprefix(PREFIX): known for known in table}
    near = get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    remedy = f"did you mean {bare[near[0]]}?" if near else f"known are {', '.join(sorted(table))}"
    return SettingError(name, f"there is no such setting; {remedy}")


def _read(setting: Field[Any], source: str, raw: str) -> object:
    value = raw.strip()
    if not value:
        raise SettingError(source, "it is empty; give it a value, or leave it out")
    if "${" in value:
        shown = "" if setting.metadata["secret"] else f": {value}"
        raise SettingError(source, f"a placeholder was not filled in{shown}")
    try:
        result: object = setting.metadata["read"](value)
    except ValueError as error:
        raise SettingError(source, str(error)) from None
    return result
