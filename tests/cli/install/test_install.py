"""`createos-mcp install` on configurations as their clients write them."""

import hashlib
import json
import os
import pty
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.cli.install.client_configs import Client, ServerLaunch, locate_config
from createos_mcp.cli.install.client_list import CLIENTS
from createos_mcp.cli.install.json_text import read_json
from createos_mcp.cli.install.yaml_text import read_yaml
from createos_mcp.contract.values import Json

SECRET = "ghp_somebody_elses_secret"  # noqa: S105 - nobody's

FILES = {client.name: locate_config(client, "linux", {"HOME": "/h"}) for client in CLIENTS}
BY_NAME = {client.name: client for client in CLIENTS}

JSON_CLIENTS = (
    *("copilot", "amp", "qwen", "kimi", "droid", "auggie", "zed", "cline", "cline-cli", "roo"),
    *("kiro", "lmstudio", "warp", "continue", "junie", "antigravity"),
)
"""Clients with nothing special about their files."""

BEFORE = {
    "claude-code": {
        "numStartups": 41,
        "mcpServers": {"gh": {"command": "gh", "env": {"TOKEN": SECRET}}},
        "projects": {"/home/me/shop": {"history": [{"display": "hi — ünïcode"}]}},
    },
    "claude-desktop": {"globalShortcut": "", "mcpServers": {}},
    "cursor": {"mcpServers": {"gh": {"url": "https://example.com/mcp"}}},
    "windsurf": {},
    "gemini": {"theme": "GitHub", "selectedAuthType": "oauth-personal"},
}
"""What is in files that are plain JSON; the others stand below."""

TEXTS = {
    **{name: json.dumps(value, indent=2, ensure_ascii=False) for name, value in BEFORE.items()},
    "vscode": f"""\
{{
\t// Servers for all workspaces
\t"inputs": [{{"id": "token", "type": "promptString"}}],
\t"servers": {{
\t\t"gh": {{ "command": "gh", "env": {{ "TOKEN": "{SECRET}" }} }}, // keep
\t}},
}}
""",
    "codex": f"""\
model = "o3" # the big one

[mcp_servers.gh]
command = "gh"
env = {{ TOKEN = "{SECRET}" }}
""",
    "goose": """\
GOOSE_PROVIDER: anthropic # mine
extensions:
    developer:
        enabled: true
        type: builtin
    fetch:
        type: stdio
        cmd: uvx
        args:
            - mcp-server-fetch
        envs: {TOKEN: ghp_somebody_elses_secret}
GOOSE_MODE: auto
""",
    **dict.fromkeys(JSON_CLIENTS, '{\n  "other": "ghp_somebody_elses_secret"\n}\n'),
    "opencode": '{\n  "$schema": "https://opencode.ai/config.json",\n  // mine\n  "a": 1\n}\n',
}

ENTRIES: Mapping[str, Mapping[str, Json]] = {
    "claude-code": {"type": "stdio", "command": "uvx", "args": ["createos-mcp"]},
    "vscode": {"type": "stdio", "command": "uvx", "args": ["createos-mcp"]},
    "opencode": {"type": "local", "command": ["uvx", "createos-mcp"]},
    "auggie": {"type": "stdio", "command": "uvx", "args": ["createos-mcp"]},
    "copilot": {"type": "local", "command": "uvx", "args": ["createos-mcp"], "tools": ["*"]},
    "droid": {"type": "stdio", "command": "uvx", "args": ["createos-mcp"], "disabled": False},
    "goose": {
        "enabled": True,
        "type": "stdio",
        "name": "createos",
        "cmd": "uvx",
        "args": ["createos-mcp"],
        "timeout": 300,
    },
}
PLAIN = {"command": "uvx", "args": ["createos-mcp"]}

REFERENCES: Mapping[str, Mapping[str, Json]] = {
    **{name: {} for name in (*JSON_CLIENTS, "goose")},
    "qwen": {"env": {"CREATEOS_API_KEY": "${MY_KEY}"}},
    "kiro": {"env": {"CREATEOS_API_KEY": "${MY_KEY}"}},
    "claude-code": {"env": {"CREATEOS_API_KEY": "${MY_KEY}"}},
    "claude-desktop": {},
    "cursor": {"env": {"CREATEOS_API_KEY": "${env:MY_KEY}"}},
    "vscode": {"env": {"CREATEOS_API_KEY": "${env:MY_KEY}"}},
    "windsurf": {"env": {"CREATEOS_API_KEY": "${env:MY_KEY}"}},
    "codex": {},
    "gemini": {"env": {"CREATEOS_API_KEY": "${MY_KEY}"}},
    "opencode": {"environment": {"CREATEOS_API_KEY": "{env:MY_KEY}"}},
}


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed: without the files of the checkout around it."""
    target = tmp_path_factory.mktemp("site-packages")
    shutil.copytree(ROOT / "createos_mcp", target / "createos_mcp")
    shutil.copytree(ROOT / "tool_schemas", target / "createos_mcp" / "tool_schemas")
    return target


@pytest.fixture
def home(tmp_path: Path, installed: Path) -> Path:
    """A home in which `uvx` is on the path and the package is installed."""
    (tmp_path / "site-packages").symlink_to(installed)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uvx").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "uvx").chmod(0o755)
    return tmp_path


def environ_of(home: Path, **variables: str) -> dict[str, str]:
    own = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(home / "site-packages"),
        **variables,
    }
    kept = {"VIRTUAL_ENV", "LANG"}
    return {**{k: v for k, v in os.environ.items() if k in kept}, **own}


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "createos_mcp", "install", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=home,
        env=environ_of(home, **variables),
    )


def file_of(home: Path, name: str) -> Path:
    return home / FILES[name].relative_to("/h")


def write(home: Path, name: str) -> Path:
    file = file_of(home, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(TEXTS[name])
    return file


def backups(home: Path) -> Path:
    return home / ".local" / "share" / "createos-mcp" / "client-backups"


def name_hash(home: Path, name: str) -> str:
    return hashlib.sha256(str(file_of(home, name)).encode()).hexdigest()[:8]


def read(file: Path, client: Client) -> Json:
    if client.format == "toml":
        return tomllib.loads(file.read_text())
    if client.format == "yaml":
        return read_yaml(file.read_text())
    return read_json(file.read_text(), comments=client.format == "jsonc")


def entry_in(file: Path, client: Client) -> Json:
    return read(file, client)[client.at[0]]["createos"]


def test_every_client_that_is_found_gets_the_server_and_keeps_what_it_had(home: Path) -> None:
    before = {name: read(write(home, name), BY_NAME[name]) for name in TEXTS}
    done = run(home, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert SECRET not in done.stdout
    for name, client in BY_NAME.items():
        after = read(file_of(home, name), client)
        assert after[client.at[0]].pop("createos") == ENTRIES.get(name, PLAIN)
        assert after == {client.at[0]: {}, **before[name]}
        lines = file_of(home, name).read_text().splitlines()
        for line in TEXTS[name].splitlines():
            assert line in lines or f"{line}," in lines or line.endswith("{}"), line
        (place,) = list(backups(home).glob(f"*.{name_hash(home, name)}.*.json"))
        assert json.loads(place.read_text())["before"] == TEXTS[name]
    again = run(home, "--yes")
    assert again.stdout.count("nothing to change") == len(CLIENTS)
    assert "is written;" not in again.stdout


def test_what_was_installed_is_taken_out_again_byte_by_byte(home: Path) -> None:
    for name in TEXTS:
        write(home, name)
    run(home, "--yes")
    run(home, "--yes", "--with-key", "CREATEOS_API_KEY")
    assert "createos" in file_of(home, "goose").read_text()
    done = run(home, "--uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    for name, text in TEXTS.items():
        assert file_of(home, name).read_text() == text, name


@pytest.mark.parametrize("name", BY_NAME)
def test_a_file_that_was_made_for_the_server_goes_with_it(name: str, home: Path) -> None:
    run(home, name, "--yes")
    assert file_of(home, name).exists()
    done = run(home, name, "--uninstall", "--yes")
    assert "Removed" in done.stdout
    assert not file_of(home, name).exists()


@pytest.mark.parametrize("name", ["gemini", "codex", "goose"])
def test_what_others_have_written_since_stays(name: str, home: Path) -> None:
    file = write(home, name)
    run(home, name, "--yes")
    client = BY_NAME[name]
    added = "# later\n" if client.format != "jsonc" else "// later\n"
    file.write_text(file.read_text().rstrip() + "\n" + added)
    run(home, name, "--uninstall", "--yes")
    assert file.read_text() == TEXTS[name].rstrip() + "\n" + added


@pytest.mark.parametrize("name", BY_NAME)
def test_a_key_is_named_in_the_clients_own_syntax_and_never_written(name: str, home: Path) -> None:
    done = run(home, name, "--yes", "--with-key", "MY_KEY", MY_KEY="skp_very_secret")
    assert done.returncode == 0, done.stderr
    entry = entry_in(file_of(home, name), BY_NAME[name])
    assert entry == {**ENTRIES.get(name, PLAIN), **REFERENCES[name]}
    assert ("has no key" in done.stdout) == (not REFERENCES[name])
    assert "skp_very_secret" not in done.stdout + file_of(home, name).read_text()


def test_codex_hands_a_variable_on_under_its_own_name(home: Path) -> None:
    file = file_of(home, "codex")
    file.parent.mkdir()
    file.write_text('[mcp_servers.createos]\ncommand = "x"\nenv_vars = ["A"]\nenabled = false\n')
    run(home, "codex", "--yes", "--with-key", "CREATEOS_API_KEY")
    assert entry_in(file, BY_NAME["codex"]) == {
        **PLAIN,
        "env_vars": ["A", "CREATEOS_API_KEY"],
        "enabled": False,
    }


@pytest.mark.parametrize("typed", ["skp_0123456789", "two words", "a-b", ""])
def test_what_is_no_name_of_a_variable_is_refused_and_not_shown(typed: str, home: Path) -> None:
    done = run(home, "cursor", "--yes", "--with-key", typed)
    assert done.returncode == 1
    assert "name of the variable" in done.stderr
    assert not typed or typed not in done.stderr
    assert not file_of(home, "cursor").exists()


def test_an_entry_keeps_what_its_user_has_added(home: Path) -> None:
    file = file_of(home, "cursor")
    file.parent.mkdir()
    entry = {"command": "old", "args": [], "env": {"CREATEOS_READ_ONLY": "true"}, "disabled": True}
    file.write_text(json.dumps({"mcpServers": {"createos": entry}}))
    run(home, "cursor", "--yes", "--with-key", "MY_KEY")
    assert entry_in(file, BY_NAME["cursor"]) == {
        **entry,
        **PLAIN,
        "env": {"CREATEOS_READ_ONLY": "true", "CREATEOS_API_KEY": "${env:MY_KEY}"},
    }


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("--dry-run", "--yes")])
def test_on_a_pipe_or_on_trial_it_shows_the_change_and_writes_nothing(
    arguments: tuple[str, ...], home: Path
) -> None:
    file = write(home, "vscode")
    done = run(home, "vscode", *arguments)
    assert done.returncode == 0
    assert '+\t\t"createos": {' in done.stdout
    assert "Nothing was written" in done.stdout
    assert SECRET not in done.stdout
    assert file.read_text() == TEXTS["vscode"]
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("claude-code", '{\n  "mcpServers": {\n    // mine\n  }\n}', 3),
        ("claude-desktop", '{\n  "mcpServers": {}\n  "x": 1\n}', 3),
        ("cursor", '{"mcpServers": {', 1),
        ("vscode", '{\n  "servers": []\n}', 2),
        ("windsurf", "[]", 1),
        ("codex", '[mcp_servers.a]\ncommand = "x\n', 2),
        ("gemini", '{\n  "theme": "a\n"\n}', 2),
        ("opencode", "# hello\n", 1),
        ("goose", "extensions:\n  a: [\n", 3),
        ("zed", "{,}", 1),
    ],
)
def test_a_malformed_file_is_refused_with_its_line_and_nothing_is_written(
    name: str, text: str, line: int, home: Path
) -> None:
    file = write(home, name)
    file.write_text(text)
    other = write(home, "gemini" if name == "cursor" else "cursor")
    done = run(home, "--yes")
    assert done.returncode == 1
    assert f"{file}:{line}:" in done.stderr
    assert "Fix it there" in done.stderr
    assert "nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text() == text
    assert "createos" not in other.read_text()
    assert not backups(home).exists()


def test_a_file_that_is_no_text_is_refused(home: Path) -> None:
    file = write(home, "cursor")
    file.write_bytes(b'{\n"a": "\xff"}')
    done = run(home, "cursor", "--yes")
    assert (done.returncode, f"{file}:2:" in done.stderr) == (1, True)


def test_a_remote_server_of_the_same_name_is_not_mixed_with_a_local_one(home: Path) -> None:
    file = write(home, "cursor")
    file.write_text('{"mcpServers": {"createos": {"url": "https://x"}}}')
    done = run(home, "cursor", "--yes")
    assert (done.returncode, "--uninstall" in done.stderr) == (1, True)


def test_a_link_its_file_and_its_mode_stay(home: Path) -> None:
    file = write(home, "cursor")
    stored = home / "dotfiles" / "mcp.json"
    stored.parent.mkdir()
    file.rename(stored)
    stored.chmod(0o640)
    file.symlink_to(stored)
    run(home, "cursor", "--yes")
    assert file.is_symlink()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o640
    assert entry_in(stored, BY_NAME["cursor"]) == PLAIN
    assert list(stored.parent.iterdir()) == [stored]


def test_a_new_file_and_a_backup_are_for_their_owner_alone_and_there_is_one_of_each(
    home: Path,
) -> None:
    file = write(home, "cursor")
    for arguments in ((), ("--uninstall",), (), ("--with-key", "MY_KEY")):
        run(home, "cursor", "--yes", *arguments)
    assert list(file.parent.iterdir()) == [file]
    (kept,) = list(backups(home).iterdir())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(backups(home).stat().st_mode) == 0o700
    run(home, "kimi", "--yes")
    assert stat.S_IMODE(file_of(home, "kimi").stat().st_mode) == 0o600


def test_a_read_only_file_is_not_written_without_a_word(home: Path) -> None:
    file = write(home, "cursor")
    file.chmod(0o444)
    done = run(home, "cursor", "--yes")
    assert "is read-only" in done.stdout
    assert file.read_text() == TEXTS["cursor"]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("cursor", '{"mcpServers": {"createos": {"command": "x", "disabled": true}}}'),
        ("opencode", '{"mcp": {"createos": {"enabled": false}}}'),
        ("codex", '[mcp_servers.createos]\ncommand = "x"\nenabled = false\n'),
    ],
)
def test_an_entry_that_is_disabled_is_said_to_be(name: str, entry: str, home: Path) -> None:
    file = write(home, name)
    file.write_text(entry)
    assert "does not start it" in run(home, name, "--yes").stdout


def test_a_file_of_a_project_has_nothing_of_this_machine(home: Path) -> None:
    (home / "bin" / "uvx").unlink()
    run(home, "--project-scope", "--yes", PYTHONPATH=str(ROOT))
    assert str(home) not in (home / ".mcp.json").read_text()
    assert entry_in(home / ".mcp.json", BY_NAME["claude-code"]) == ENTRIES["claude-code"]


def test_marks_and_line_ends_of_windows_stay(home: Path) -> None:
    file = write(home, "vscode")
    file.write_bytes(b"\xef\xbb\xbf" + TEXTS["vscode"].replace("\n", "\r\n").encode())
    run(home, "vscode", "--yes")
    after = file.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf{")
    assert after.count(b"\n") == after.count(b"\r\n")


def test_without_uvx_the_installed_program_is_written(home: Path) -> None:
    (home / "bin" / "uvx").unlink()
    run(home, "cursor", "--yes")
    entry = entry_in(file_of(home, "cursor"), BY_NAME["cursor"])
    assert Path(entry["command"]).is_absolute()
    shown = subprocess.run(
        [entry["command"], *entry["args"], "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert shown.stdout.strip()


def test_a_checkout_is_started_by_its_own_path(home: Path) -> None:
    run(home, "cursor", "--yes", PYTHONPATH=str(ROOT))
    entry = entry_in(file_of(home, "cursor"), BY_NAME["cursor"])
    assert entry["command"] != "uvx"
    assert Path(entry["command"]).is_absolute()


def test_a_project_gets_files_of_its_own(home: Path) -> None:
    project = home / "shop"
    project.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "createos_mcp", "install", "--project-scope", "--yes"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environ_of(home),
    )
    assert done.returncode == 0, done.stderr
    assert entry_in(project / ".mcp.json", BY_NAME["claude-code"]) == ENTRIES["claude-code"]
    assert not file_of(home, "claude-code").exists()


@pytest.mark.parametrize(
    ("arguments", "word"), [(["kursor"], "cursor"), (["windsurf", "--project-scope"], "known:")]
)
def test_an_unknown_client_is_named_with_the_closest(
    arguments: list[str], word: str, home: Path
) -> None:
    done = run(home, *arguments)
    assert (done.returncode, word in done.stderr) == (1, True)


def test_where_no_client_is_found_it_says_which_there_are(home: Path) -> None:
    done = run(home)
    assert done.returncode == 1
    assert "opencode" in done.stdout


@pytest.mark.parametrize(("answer", "is_written"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks_first(answer: str, *, is_written: bool, home: Path) -> None:
    write(home, "cursor")
    controller, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "createos_mcp", "install", "cursor"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=environ_of(home, TERM="xterm-256color"),
        ) as process:
            os.write(controller, f"{answer}\n".encode())
            assert process.wait(timeout=60) == 0
        shown = os.read(controller, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(controller)
    assert "[y/N]" in shown
    assert "\x1b[32m" in shown
    assert ("createos" in file_of(home, "cursor").read_text()) is is_written


@pytest.mark.parametrize(
    ("name", "system", "expected"),
    [
        ("claude-code", "linux", "/h/.claude.json"),
        ("claude-desktop", "linux", "/c/Claude/claude_desktop_config.json"),
        (
            "claude-desktop",
            "darwin",
            "/h/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("claude-desktop", "win32", "/a/Claude/claude_desktop_config.json"),
        ("cursor", "win32", "/h/.cursor/mcp.json"),
        ("vscode", "linux", "/c/Code/User/mcp.json"),
        ("vscode", "darwin", "/h/Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", "/a/Code/User/mcp.json"),
        ("windsurf", "darwin", "/h/.codeium/windsurf/mcp_config.json"),
        ("codex", "linux", "/h/.codex/config.toml"),
        ("gemini", "linux", "/h/.gemini/settings.json"),
        ("opencode", "linux", "/c/opencode/opencode.json"),
    ],
)
def test_each_system_has_its_own_places(name: str, system: str, expected: str) -> None:
    environ = {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "APPDATA": "/a"}
    assert str(locate_config(BY_NAME[name], system, environ)) == expected


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_says_where_its_format_is_described(client: Client) -> None:
    assert client.source.startswith("https://")
    assert "uvx" in json.dumps(client.entry(ServerLaunch(command="uvx")))
