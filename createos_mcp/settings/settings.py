"""The settings: one table of what can be chosen, by a `CREATEOS_` variable or a flag.

A setting `read_timeout_s` is the variable `CREATEOS_READ_TIMEOUT_S` and the flag
`--read-timeout-s`. Secrets have no flag, because every user of a machine can see command lines.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from platformdirs import user_data_path

from createos_mcp.contract.errors import SettingError
from createos_mcp.contract.platform_settings import PlatformSettings
from createos_mcp.contract.setting_rows import (
    directories,
    directory,
    names,
    number,
    one_of,
    read_switch,
    setting,
    text,
    whole_number,
)
from createos_mcp.settings.remote_settings import RemoteSettings

ConfirmFallback: TypeAlias = Literal["code", "proceed", "refuse"]
"""What happens to a call that the user should confirm when the client cannot ask."""

PREFIX = "CREATEOS_"
PLATFORM_PREFIX = "platform_"

CLOUD_URL = "https://api-createos.nodeops.network"

LOG_LEVELS = ("debug", "info", "warning", "error")

_PLACEHOLDER = re.compile(
    r"\$\{.*\}|\$\(.*\)|\$(env:)?\w+|%\w+%|\{\{.*\}\}|\{(env|input|file):.*\}|<.*>", re.DOTALL
)
"""What clients pass on when they do not know a variable: `${KEY}`, `$KEY`, `%KEY%`, `{env:KEY}`."""

_QUOTES = "\"'"


@dataclass(frozen=True, kw_only=True)
class Settings(RemoteSettings):
    """What was chosen. Secrets do not appear in its representation."""

    api_key: str | None = field(
        default=None,
        repr=False,
        metadata=setting(
            text,
            group="credentials",
            help="API key. With a key, calls go to the CreateOS cloud.",
            secret=True,
        ),
    )
    access_token: str | None = field(
        default=None,
        repr=False,
        metadata=setting(
            text, group="credentials", help="OAuth access token, instead of a key.", secret=True
        ),
    )
    api_url: str | None = field(
        default=None,
        metadata=setting(
            text,
            group="connection",
            help="Base URL of the REST API: https, or http on this machine.",
            default_text="the cloud with a key or token, otherwise the local platform",
        ),
    )
    connect_timeout_s: float = field(
        default=10.0,
        metadata=setting(
            number("seconds", 300), group="connection", help="Maximum time to connect to the API."
        ),
    )
    read_timeout_s: float = field(
        default=30.0,
        metadata=setting(
            number("seconds", 3600),
            group="connection",
            help="Maximum time to wait for data from the API.",
        ),
    )
    upload_timeout_s: float = field(
        default=300.0,
        metadata=setting(
            number("seconds", 3600), group="connection", help="Read timeout while uploading files."
        ),
    )
    total_timeout_s: float = field(
        default=60.0,
        metadata=setting(
            number("seconds", 7200),
            group="connection",
            help="Maximum time for a call, retries included.",
        ),
    )
    attempts: int = field(
        default=4,
        metadata=setting(
            whole_number(1, 10),
            group="connection",
            help="Maximum attempts for a call that is safe to retry.",
        ),
    )
    toolsets: frozenset[str] = field(
        default=frozenset(),
        metadata=setting(
            names,
            group="tools",
            help="Comma-separated tool groups, or default, all or dynamic.",
            default_text="default (all except cronjobs and templates)",
        ),
    )
    tools: frozenset[str] = field(
        default=frozenset(),
        metadata=setting(
            names,
            group="tools",
            help="Comma-separated tools to offer, alone or in addition to toolsets.",
            default_text="none",
        ),
    )
    exclude_tools: frozenset[str] = field(
        default=frozenset(),
        metadata=setting(
            names, group="tools", help="Comma-separated tools to hide.", default_text="none"
        ),
    )
    read_only: bool = field(
        default=False,
        metadata=setting(
            read_switch,
            group="tools",
            help="Offer only tools that change nothing.",
            default_text="false",
        ),
    )
    project: str | None = field(
        default=None,
        metadata=setting(
            text,
            group="tools",
            help="Name or ID of the only project that tools can use.",
            default_text="none",
        ),
    )
    confirm: ConfirmFallback | None = field(
        default=None,
        metadata=setting(
            one_of("code", "proceed", "refuse"),
            group="safety",
            help="If the client cannot prompt the user before a destructive call: let the user "
            "allow it by a code (createos-mcp confirm), proceed, or refuse.",
            default_text="code",
        ),
    )
    deploy_roots: tuple[Path, ...] = field(
        default=(),
        metadata=setting(
            directories,
            group="safety",
            help="Colon-separated directories that may be deployed, in addition to the client's "
            "roots.",
            default_text="the working directory if the client has no roots",
        ),
    )
    result_budget_bytes: int = field(
        default=60_000,
        metadata=setting(
            whole_number(2_000, 10_000_000),
            group="output",
            help="Maximum size of a tool result; longer ones are truncated.",
        ),
    )
    max_answer_bytes: int = field(
        default=20_000_000,
        metadata=setting(
            whole_number(10_000, 1_000_000_000),
            group="connection",
            help="Maximum size of an API response; larger ones are refused.",
        ),
    )
    log_level: str = field(
        default="warning",
        metadata=setting(
            one_of(*LOG_LEVELS),
            group="output",
            help=f"Minimum level logged to stderr: {', '.join(LOG_LEVELS)}.",
        ),
    )
    data_dir: Path | None = field(
        default=None,
        metadata=setting(
            directory,
            group="platform",
            help="Directory of the local platform's files.",
            default_text="createos-mcp in your user data directory",
        ),
    )
    platform: PlatformSettings = field(default=PlatformSettings())
    unfilled: str | None = field(default=None)
    """The variable of a key or token that is set but holds none, empty or a placeholder."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], flags: Mapping[str, str]) -> Self:
        """Read what is given; a flag wins over its variable.

        Args:
            environ: The environment; only names that begin with `CREATEOS_` count.
            flags: Setting to value as it was typed, `{"read_timeout_s": "30"}`.

        Raises:
            SettingError: A value cannot be used.
        """
        settings, problems = cls.read(environ, flags)
        if problems:
            raise problems[0]
        return settings

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        flags: Mapping[str, str],
        spell: Callable[[str], str] | None = None,
    ) -> tuple[Self, tuple[SettingError, ...]]:
        """Read what is given, and report everything that is wrong with it.

        Args:
            environ: Variables, of which those that begin with `CREATEOS_` are read.
            flags: Texts given as flags, by the names of settings; they win.
            spell: How the flag of a setting is called in a problem; by default as `flag` says.

        Returns:
            The settings, where what cannot be used keeps its default, and one problem for each of
            those.
        """
        values: dict[str, Any] = {}
        problems = []
        for given in _given(environ, flags, spell or flag):
            try:
                values[given.name] = _read_value(given)
            except _UnfilledSecretError as error:
                values["unfilled"] = error.name
            except SettingError as error:
                problems.append(error)
        chosen = {
            name: values.pop(PLATFORM_PREFIX + name)
            for name in (row.name for row in fields(PlatformSettings))
            if PLATFORM_PREFIX + name in values
        }
        return cls(**values, platform=PlatformSettings(**chosen)), tuple(problems)

    @property
    def is_local(self) -> bool:
        """Whether calls go to the local platform."""
        return not (self.api_url or self.api_key or self.access_token or self.unfilled)

    @property
    def confirmation_dir(self) -> Path:
        """Where calls wait for a person who confirms them."""
        return self.platform_dir / "confirmations"

    @property
    def platform_dir(self) -> Path:
        """The local platform's data directory."""
        return self.data_dir or user_data_path("createos-mcp", appauthor=False)


class _Given(NamedTuple):
    """One value as it was given."""

    name: str
    source: str
    """The variable or flag."""
    raw: str
    row: Field[Any]


class _UnfilledSecretError(SettingError):
    """A secret is set but empty, or to a placeholder that nobody filled in."""


def setting_table() -> Mapping[str, Field[Any]]:
    """Every setting by its name, `read_timeout_s` or `platform_api_port`."""
    own = {row.name: row for row in fields(Settings) if "read" in row.metadata}
    return own | {PLATFORM_PREFIX + row.name: row for row in fields(PlatformSettings)}


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each `CREATEOS_` variable that is none of ours; other programs have some."""
    known = {variable_of(name).removeprefix(PREFIX): name for name in setting_table()}
    for name in sorted(environ):
        bare = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and bare not in known:
            near = get_close_matches(bare, known, n=1)
            remedy = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            yield f"{name} is not a setting of createos-mcp{remedy or ' and is ignored'}"


def variable_of(name: str) -> str:
    """The variable of a setting, `CREATEOS_READ_TIMEOUT_S`."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """The flag of a setting, `--read-timeout-s`."""
    return "--" + name.replace("_", "-")


def _given(
    environ: Mapping[str, str], flags: Mapping[str, str], spell: Callable[[str], str]
) -> Iterator[_Given]:
    for name, row in setting_table().items():
        if name in flags:
            yield _Given(name, spell(name), flags[name], row)
        elif variable_of(name) in environ:
            yield _Given(name, variable_of(name), environ[variable_of(name)], row)


def _read_value(given: _Given) -> object:
    value = given.raw.strip()
    bare = value.strip(_QUOTES).strip()
    if not bare or "${" in bare or _PLACEHOLDER.fullmatch(bare):
        raise _unfilled(given, bare)
    try:
        result: object = given.row.metadata["read"](value)
    except ValueError as error:
        raise SettingError(given.source, str(error)) from None
    return result


def _unfilled(given: _Given, bare: str) -> SettingError:
    if given.row.metadata["group"] == "credentials":
        return _UnfilledSecretError(given.source, "it is empty or an unfilled placeholder")
    if not bare:
        return SettingError(given.source, "the value is empty; set it, or remove the variable")
    shown = "" if given.row.metadata["secret"] else f" {bare}"
    return SettingError(given.source, f"the placeholder{shown} was not filled in")
