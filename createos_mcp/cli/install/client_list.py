"""The clients that `install` knows: a row each."""

from collections.abc import Mapping

from createos_mcp.cli.install.client_configs import (
    KEY_VARIABLE,
    Client,
    ConfigLocation,
    KeyReference,
    ServerLaunch,
)
from createos_mcp.contract.values import Json


def _plain_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"command": launch.command, "args": list(launch.args)}


def _typed_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"type": "stdio", **_plain_entry(launch)}


def _array_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"type": "local", "command": [launch.command, *launch.args]}


def _copilot_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {"type": "local", **_plain_entry(launch), "tools": ["*"]}


def _droid_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {**_typed_entry(launch), "disabled": False}


def _goose_entry(launch: ServerLaunch) -> dict[str, Json]:
    return {
        "enabled": True,
        "type": "stdio",
        "name": "createos",
        "cmd": launch.command,
        "args": list(launch.args),
        "timeout": 300,
    }


def _everywhere(*places: ConfigLocation) -> Mapping[str, tuple[ConfigLocation, ...]]:
    return {"any": places}


def _per_system(below: str) -> Mapping[str, tuple[ConfigLocation, ...]]:
    """The same file in each system's own directory of applications."""
    return {
        "linux": (ConfigLocation(file=f"{{config}}/{below}"),),
        "darwin": (ConfigLocation(file=f"{{home}}/Library/Application Support/{below}"),),
        "win32": (ConfigLocation(file=f"{{appdata}}/{below}"),),
    }


def _in_vscode(below: str) -> Mapping[str, tuple[ConfigLocation, ...]]:
    """A file of an extension of VS Code, which shows by its own directory."""
    extension = below.partition("/")[0]
    return {
        system: tuple(
            ConfigLocation(file=f"{place.file}/{below}", sign=f"{place.file}/{extension}")
            for place in places
        )
        for system, places in _per_system("Code/User/globalStorage").items()
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
        first="Claude Code asks once before it starts the servers of a project: run `claude`, "
        "then /mcp.",
    ),
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        source="https://modelcontextprotocol.io/docs/develop/connect-local-servers",
        places=_per_system("Claude/claude_desktop_config.json"),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
    ),
    Client(
        name="cursor",
        title="Cursor",
        source="https://cursor.com/docs/context/mcp",
        places=_everywhere(ConfigLocation(file="{home}/.cursor/mcp.json")),
        # As VS Code, which it is made from, it reads comments; they are not taken for a fault.
        format="jsonc",
        at=("mcpServers",),
        entry=_plain_entry,
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
        entry=_plain_entry,
        key=_env("${{env:{name}}}"),
    ),
    Client(
        name="codex",
        title="Codex",
        source="https://developers.openai.com/codex/mcp",
        places=_everywhere(ConfigLocation(file="{codex}/config.toml")),
        format="toml",
        at=("mcp_servers",),
        entry=_plain_entry,
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
        entry=_plain_entry,
        key=_env("${{{name}}}"),
        project=".gemini/settings.json",
        first="Gemini CLI starts servers only in folders that you trust: run `gemini` there and "
        "trust the folder.",
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
    Client(
        name="copilot",
        title="GitHub Copilot CLI",
        source="https://docs.github.com/en/copilot/how-tos/use-copilot-agents/use-copilot-cli",
        places=_everywhere(ConfigLocation(file="{copilot}/mcp-config.json")),
        format="json",
        at=("mcpServers",),
        entry=_copilot_entry,
        project=".github/mcp.json",
    ),
    Client(
        name="amp",
        title="Amp",
        source="https://ampcode.com/manual#mcp",
        places=_everywhere(ConfigLocation(file="{config}/amp/settings.json")),
        format="jsonc",
        at=("amp.mcpServers",),
        entry=_plain_entry,
    ),
    Client(
        name="qwen",
        title="Qwen Code",
        source="https://qwenlm.github.io/qwen-code-docs/en/users/features/mcp/",
        places=_everywhere(ConfigLocation(file="{home}/.qwen/settings.json")),
        format="jsonc",
        at=("mcpServers",),
        entry=_plain_entry,
        key=_env("${{{name}}}"),
        project=".qwen/settings.json",
    ),
    Client(
        name="kimi",
        title="Kimi Code",
        source="https://moonshotai.github.io/kimi-code/zh/customization/mcp",
        places=_everywhere(ConfigLocation(file="{kimi}/mcp.json")),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        project=".kimi-code/mcp.json",
    ),
    Client(
        name="droid",
        title="Factory Droid",
        source="https://docs.factory.ai/cli/configuration/mcp",
        places=_everywhere(ConfigLocation(file="{home}/.factory/mcp.json")),
        format="json",
        at=("mcpServers",),
        entry=_droid_entry,
        project=".factory/mcp.json",
    ),
    Client(
        name="auggie",
        title="Auggie",
        source="https://docs.augmentcode.com/cli/integrations",
        places=_everywhere(ConfigLocation(file="{home}/.augment/settings.json")),
        format="jsonc",
        at=("mcpServers",),
        entry=_typed_entry,
    ),
    Client(
        name="zed",
        title="Zed",
        source="https://zed.dev/docs/ai/mcp",
        places=_everywhere(ConfigLocation(file="{config}/zed/settings.json")),
        format="jsonc",
        at=("context_servers",),
        entry=_plain_entry,
        project=".zed/settings.json",
    ),
    Client(
        name="cline",
        title="Cline",
        source="https://docs.cline.bot/mcp",
        places=_in_vscode("saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
    ),
    Client(
        name="cline-cli",
        title="Cline CLI",
        source="https://docs.cline.bot/mcp",
        places=_everywhere(
            ConfigLocation(
                file="{home}/.cline/data/settings/cline_mcp_settings.json", sign="{home}/.cline"
            )
        ),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
    ),
    Client(
        name="roo",
        title="Roo Code",
        source="https://docs.roocode.com/features/mcp/using-mcp-in-roo",
        places=_in_vscode("rooveterinaryinc.roo-cline/settings/mcp_settings.json"),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        project=".roo/mcp.json",
    ),
    Client(
        name="kiro",
        title="Kiro",
        source="https://kiro.dev/docs/mcp/configuration",
        places=_everywhere(
            ConfigLocation(file="{home}/.kiro/settings/mcp.json", sign="{home}/.kiro")
        ),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        key=_env("${{{name}}}"),
        project=".kiro/settings/mcp.json",
    ),
    Client(
        name="goose",
        title="Goose",
        source="https://block.github.io/goose/docs/guides/config-files",
        places={
            "any": (ConfigLocation(file="{config}/goose/config.yaml"),),
            "win32": (ConfigLocation(file="{appdata}/Block/goose/config/config.yaml"),),
        },
        format="yaml",
        at=("extensions",),
        entry=_goose_entry,
    ),
    Client(
        name="lmstudio",
        title="LM Studio",
        source="https://lmstudio.ai/docs/app/mcp",
        places=_everywhere(
            ConfigLocation(file="{home}/.lmstudio/mcp.json"),
            ConfigLocation(file="{home}/.cache/lm-studio/mcp.json"),
        ),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
    ),
    Client(
        name="warp",
        title="Warp",
        source="https://docs.warp.dev/agents/capabilities/mcp",
        places=_everywhere(ConfigLocation(file="{home}/.warp/.mcp.json")),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        project=".warp/.mcp.json",
    ),
    Client(
        name="continue",
        title="Continue",
        source="https://docs.continue.dev/customize/deep-dives/mcp",
        places=_everywhere(
            ConfigLocation(
                file="{home}/.continue/mcpServers/createos.json", sign="{home}/.continue"
            )
        ),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        project=".continue/mcpServers/createos.json",
    ),
    Client(
        name="junie",
        title="Junie",
        source="https://www.jetbrains.com/help/junie/model-context-protocol-mcp.html",
        places=_everywhere(ConfigLocation(file="{home}/.junie/mcp/mcp.json", sign="{home}/.junie")),
        format="json",
        at=("mcpServers",),
        entry=_plain_entry,
        project=".junie/mcp/mcp.json",
    ),
    Client(
        name="antigravity",
        title="Antigravity",
        source="https://antigravity.google/docs/mcp",
        places=_everywhere(
            ConfigLocation(
                file="{home}/.gemini/config/mcp_config.json", sign="{home}/.gemini/config"
            ),
            ConfigLocation(
                file="{home}/.gemini/antigravity/mcp_config.json",
                sign="{home}/.gemini/antigravity",
            ),
        ),
        format="jsonc",
        at=("mcpServers",),
        entry=_plain_entry,
    ),
)
