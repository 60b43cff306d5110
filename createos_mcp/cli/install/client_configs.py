"""What a client is: where it keeps its list of MCP servers, and how an entry looks there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from createos_mcp.contract.values import Json

Format: TypeAlias = Literal["json", "jsonc", "toml", "yaml"]
"""`jsonc` is JSON with comments and trailing commas."""

SERVER = "createos"
"""Name of the entry."""

KEY_VARIABLE = "CREATEOS_API_KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLaunch:
    """How the server is started: `ServerLaunch(command="uvx", args=("createos-mcp",))`."""

    command: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyReference:
    """How an entry hands a variable of the user on to the server, without its value."""

    member: tuple[str, ...]
    """Place in the entry, `("env", "CREATEOS_API_KEY")`."""
    syntax: str = ""
    """`${env:{name}}`; empty where the member lists names of variables that keep their name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigLocation:
    """Where a client's configuration may be; directories as `locate` fills them in."""

    file: str
    """`{home}/.cursor/mcp.json`."""
    sign: str = ""
    """What shows that the client is there; by default the file's directory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One client."""

    name: str
    """As it is typed, `claude-code`."""
    title: str
    source: str
    """Where its makers describe the file."""
    places: Mapping[str, tuple[ConfigLocation, ...]]
    """By `sys.platform`, the preferred one first; `any` for all systems."""
    format: Format
    at: tuple[str, ...]
    """Where the servers are, `("mcpServers",)`."""
    entry: Callable[[ServerLaunch], dict[str, Json]]
    """How an entry looks that starts a server."""
    key: KeyReference | None = None
    """None where a configuration can only hold the key itself."""
    project: str | None = None
    """Its file in a project's directory, `.mcp.json`."""
    first: str = ""
    """What the user has to do once before the client starts a server, in a sentence."""


def locate_config(client: Client, system: str, environ: Mapping[str, str]) -> Path:
    """The file of a client: the one that exists, otherwise where it would be.

    Args:
        client: Whose file.
        system: As `sys.platform` names it.
        environ: Tells the directories of the user.
    """
    files = [Path(_expand(place.file, environ)) for place in _places(client, system)]
    return next((file for file in files if file.exists()), files[0])


def is_there(client: Client, system: str, environ: Mapping[str, str]) -> bool:
    """Whether the user has this client, as far as its directories show."""
    if locate_config(client, system, environ).exists():
        return True
    places = _places(client, system)
    signs = (
        Path(_expand(place.sign, environ))
        if place.sign
        else Path(_expand(place.file, environ)).parent
        for place in places
    )
    return any(sign.is_dir() for sign in signs)


def key_members(client: Client, variable: str) -> dict[tuple[str, ...], Json] | None:
    """What an entry needs in order to hand a variable on; None when this client cannot.

    `{("env", "CREATEOS_API_KEY"): "${env:MY_KEY}"}`, or `{("env_vars",): ["CREATEOS_API_KEY"]}`.
    """
    reference = client.key
    if reference is None or not (reference.syntax or variable == KEY_VARIABLE):
        return None
    if not reference.syntax:
        return {reference.member: [variable]}
    return {reference.member: reference.syntax.format(name=variable)}


def _places(client: Client, system: str) -> Sequence[ConfigLocation]:
    return client.places.get("any") or client.places.get(system) or client.places["linux"]


def _expand(template: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or environ.get("USERPROFILE") or str(Path.home())
    return template.format(
        home=home,
        config=environ.get("XDG_CONFIG_HOME") or f"{home}/.config",
        appdata=environ.get("APPDATA") or f"{home}/AppData/Roaming",
        claude=environ.get("CLAUDE_CONFIG_DIR") or home,
        codex=environ.get("CODEX_HOME") or f"{home}/.codex",
        copilot=environ.get("COPILOT_HOME") or f"{home}/.copilot",
        kimi=environ.get("KIMI_CODE_HOME") or f"{home}/.kimi-code",
    )
