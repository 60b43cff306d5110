"""The settings: one table of what can be chosen, by a `CREATEOS_` variable or a flag.

A setting `read_timeout_s` is the variable `CREATEOS_READ_TIMEOUT_S` and the flag
`--read-timeout-s`. Secrets have no flag, because every user of a machine can read flags.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from platformdirs import user_data_path

from createos_mcp.contract.errors import SettingError
from createos_mcp.settings.remote_settings import RemoteSettings
from createos_mcp.settings.setting_rows import (
    MAX_PORT,
    addresses,
    directories,
    directory,
    names,
    number,
    one_of,
    read_switch,
    row,
    text,
    whole_number,
)

ConfirmFallback: TypeAlias = Literal["proceed", "refuse"]
"""What becomes of a call that a person should allow when the client cannot ask one."""

PREFIX = "CREATEOS_"

CLOUD_URL = "https://api-createos.nodeops.network"

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class Settings(RemoteSettings):
    """What was chosen. Secrets do not appear in its representation."""

    api_key: str | None = field(
        default=None,
        repr=False,
        metadata=row(text, "API key; with one, calls go to the CreateOS cloud.", secret=True),
    )
    access_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(text, "OAuth access token, in place of a key.", secret=True),
    )
    api_url: str | None = field(
        default=None,
        metadata=row(
            text,
            "Base URL of the REST API: https, or http on this machine.",
            shown="the cloud with a key or token, otherwise the local platform",
        ),
    )
    connect_timeout_s: float = field(
        default=10.0, metadata=row(number("seconds", 300), "Limit for making a connection.")
    )
    read_timeout_s: float = field(
        default=30.0, metadata=row(number("seconds", 3600), "Limit for a silence of the API.")
    )
    upload_timeout_s: float = field(
        default=300.0, metadata=row(number("seconds", 3600), "The same while files are uploaded.")
    )
    total_timeout_s: float = field(
        default=60.0,
        metadata=row(number("seconds", 7200), "Limit for a call with its repetitions."),
    )
    attempts: int = field(
        default=4,
        metadata=row(whole_number(1, 10), "How often a call that may be repeated is tried."),
    )
    toolsets: frozenset[str] = field(
        default=frozenset(),
        metadata=row(
            names,
            "Groups of tools to offer, with commas between them; also default, all, dynamic.",
            shown="default: all but cronjobs and templates",
        ),
    )
    tools: frozenset[str] = field(
        default=frozenset(),
        metadata=row(names, "Single tools to offer, alone or beside toolsets.", shown="none"),
    )
    exclude_tools: frozenset[str] = field(
        default=frozenset(), metadata=row(names, "Tools not to offer.", shown="none")
    )
    read_only: bool = field(
        default=False,
        metadata=row(read_switch, "Offer only tools that change nothing.", shown="false"),
    )
    project: str | None = field(
        default=None,
        metadata=row(text, "Name or ID of the one project that every call is about.", shown="none"),
    )
    confirm: ConfirmFallback | None = field(
        default=None,
        metadata=row(
            one_of("proceed", "refuse"),
            "What becomes of a deletion when the client cannot ask a person: proceed, refuse.",
            shown="proceed over stdio, refuse over HTTP",
        ),
    )
    deploy_roots: tuple[Path, ...] = field(
        default=(),
        metadata=row(
            directories,
            "Directories that may be deployed, beside those of the client, with : between them.",
            shown="the working directory, where the client names none",
        ),
    )
    result_budget_bytes: int = field(
        default=60_000,
        metadata=row(whole_number(2_000, 10_000_000), "Size from which a tool's answer is cut."),
    )
    max_answer_bytes: int = field(
        default=20_000_000,
        metadata=row(
            whole_number(10_000, 1_000_000_000), "Size from which the API's answer is refused."
        ),
    )
    log_level: str = field(
        default="warning",
        metadata=row(
            one_of(*LOG_LEVELS), f"Least level of the lines on stderr: {', '.join(LOG_LEVELS)}."
        ),
    )
    data_dir: Path | None = field(
        default=None,
        metadata=row(
            directory,
            "Where the local platform keeps its files.",
            shown="createos-mcp in your user data directory",
        ),
    )
    platform_api_port: int = field(
        default=0,
        metadata=row(
            whole_number(0, MAX_PORT),
            "Port of the local platform's API.",
            shown="a free one, then kept",
        ),
    )
    platform_gateway_port: int = field(
        default=0,
        metadata=row(
            whole_number(0, MAX_PORT),
            "Port at which the local platform tells apps apart by host name.",
            shown="a free one, then kept",
        ),
    )
    platform_dns_servers: tuple[str, ...] = field(
        default=(),
        metadata=row(
            addresses,
            "DNS servers that the local platform asks about custom domains, separated by commas.",
            shown="the system's",
        ),
    )

    platform_sleep_after_s: float = field(
        default=1800.0,
        metadata=row(
            number("seconds", 31_536_000, zero=True),
            "How long a local app runs that nobody asks; 0 lets it run for good.",
        ),
    )
    platform_max_deployed: int = field(
        default=50,
        metadata=row(
            whole_number(1, 1000), "Local deployments that run at once; then the oldest sleeps."
        ),
    )
    platform_builds_at_once: int = field(
        default=2, metadata=row(whole_number(1, 64), "Local builds that run at once.")
    )
    platform_logs_kept_days: float = field(
        default=7.0,
        metadata=row(
            number("days", 3650),
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
                problems.append(_unknown_variable(name, table))
        given.update({name: (flag(name), raw) for name, raw in flags.items()})
        values: dict[str, Any] = {}
        for setting in table.values():
            if setting.name in given:
                try:
                    values[setting.name] = _read_setting(setting, *given[setting.name])
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


def _unknown_variable(name: str, table: Mapping[str, Field[Any]]) -> SettingError:
    bare = {known.removeprefix(PREFIX): known for known in table}
    near = get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    remedy = f"did you mean {bare[near[0]]}?" if near else f"known are {', '.join(sorted(table))}"
    return SettingError(name, f"there is no such setting; {remedy}")


def _read_setting(setting: Field[Any], source: str, raw: str) -> object:
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
