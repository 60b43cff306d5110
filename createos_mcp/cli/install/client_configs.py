"""Clients: where each keeps its list of MCP servers, and how an entry looks there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from createos_mcp.contract.values import Json

Format: TypeAlias = Literal["json", "jsonc", "toml"]
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


def _plain_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"command": launch.command, "args": list(launch.args)}


def _typed_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"type": "stdio", **_plain_entry(launch)}


def _array_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"type": "local", "command": [launch.command, *launch.args]}


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
    entry: Callable[[ServerLaunch], dict[str, Json]] = _plain_entry
    key: KeyReference | None = None
    """None where a configuration can only hold the key itself."""
    project: str | None = None
    """Its file in a project's directory, `.mcp.json`."""


def _everywhere(*places: ConfigLocation) -> Mapping[str, tuple[ConfigLocation, ...]]:
    return {"any": places}


def _per_system(below: str) -> Mapping[str, tuple[ConfigLocation, ...]]:
    """The same file in each system's own directory of applications."""
    return {
        "linux": (ConfigLocation(file=f"{{config}}/{below}"),),
        "darwin": (ConfigLocation(file=f"{{home}}/Library/Application Support/{below}"),),
        "win32": (ConfigLocation(file=f"{{appdata}}/{below}"),),
    }


def _env(syntax: str, *, member: str = "env") -> KeyReference:
    return KeyReference(member=(member, KEY_VARIABLE), syntax=syntax)


CLIENTS: tuple[Client, ...] = (
    Client(
        name="claude-code",
        title="Claude Code",
        source="https://code.claude.com/docs/en/mcp",
        places=_everywhere(ConfigLocation(file="{claude}/.claude.json", sign="{claude}/.claude")),
        format="json",
        at=("mcpServers",),
        entry=_typed_entry,
        key=_env("${{{name}}}"),
        project=".mcp.json",
    ),
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        source="https://modelcontextprotocol.io/docs/develop/connect-local-servers",
        places=_per_system("Claude/claude_desktop_config.json"),
        format="json",
        at=("mcpServers",),
    ),
    Client(
        name="cursor",
        title="Cursor",
        source="https://cursor.com/docs/context/mcp",
        places=_everywhere(ConfigLocation(file="{home}/.cursor/mcp.json")),
        # As VS Code, which it is made from, it reads comments; they are not taken for a fault.
        format="jsonc",
        at=("mcpServers",),
        key=_env("${{env:{name}}}"),
        project=".cursor/mcp.json",
    ),
    Client(
        name="vscode",
        title="VS Code",
        source="https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
        places=_per_system("Code/User/mcp.json"),
        format="jsonc",
        at=("servers",),
        entry=_typed_entry,
        key=_env("${{env:{name}}}"),
        project=".vscode/mcp.json",
    ),
    Client(
        name="windsurf",
        title="Windsurf",
        source="https://docs.windsurf.com/windsurf/cascade/mcp",
        places=_everywhere(ConfigLocation(file="{home}/.codeium/windsurf/mcp_config.json")),
        format="jsonc",
        at=("mcpServers",),
        key=_env("${{env:{name}}}"),
    ),
    Client(
        name="codex",
        title="Codex",
        source="https://developers.openai.com/codex/mcp",
        places=_everywhere(ConfigLocation(file="{codex}/config.toml")),
        format="toml",
        at=("mcp_servers",),
        key=KeyReference(member=("env_vars",)),
        project=".codex/config.toml",
    ),
    Client(
        name="gemini",
        title="Gemini CLI",
        source="https://geminicli.com/docs/tools/mcp-server",
        places=_everywhere(ConfigLocation(file="{home}/.gemini/settings.json")),
        format="jsonc",
        at=("mcpServers",),
        key=_env("${{{name}}}"),
        project=".gemini/settings.json",
    ),
    Client(
        name="opencode",
        title="OpenCode",
        source="https://opencode.ai/docs/mcp-servers",
        places=_everywhere(
            ConfigLocation(file="{config}/opencode/opencode.json"),
            ConfigLocation(file="{config}/opencode/opencode.jsonc"),
        ),
        format="jsonc",
        at=("mcp",),
        entry=_array_entry,
        key=_env("{{env:{name}}}", member="environment"),
        project="opencode.json",
    ),
)


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
    )
