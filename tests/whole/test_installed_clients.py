"""Clients that others wrote read what `createos-mcp install` has written for them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import needs

pytestmark = [pytest.mark.examples, needs("npx")]

CLIENTS = {
    "claude-code": ("@anthropic-ai/claude-code@2.1.197", r"createos: .*Connected"),
    "codex": ("@openai/codex@0.169.0", r"createos .*enabled"),
    # It connects in folders that its user trusts, which `install` says.
    "gemini": ("@google/gemini-cli@0.61.0", r"createos: .*\(stdio\)"),
    "opencode": ("opencode-ai@1.18.33", r"createos .*connected"),
    "qwen": ("@qwen-code/qwen-code@0.15.10", r"createos: .*Connected"),
    "copilot": ("@github/copilot@1.0.102", r"createos \(local\)"),
    "droid": ("droid@0.215.0", r"createos +stdio +connected"),
}
"""Its package, and what its `mcp list` says of a server that it knows."""


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_lists_the_server_that_was_installed(name: str, tmp_path: Path) -> None:
    package, expected = CLIENTS[name]
    environ = {
        **{key: value for key, value in os.environ.items() if "CREATEOS" not in key},
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        "XDG_DATA_HOME": str(tmp_path / ".local" / "share"),
        "npm_config_cache": str(Path.home() / ".npm"),
        "CREATEOS_DATA_DIR": str(tmp_path / "data"),
        "CI": "1",
        "NO_COLOR": "1",
    }
    install = [sys.executable, "-m", "createos_mcp", "install", name, "--yes"]
    subprocess.run(install, check=True, capture_output=True, env=environ, cwd=tmp_path)
    listed = subprocess.run(
        ["npx", "--yes", package, "mcp", "list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environ,
        cwd=tmp_path,
    )
    told = re.sub(r"\x1b\[[0-9;]*m", "", listed.stdout + listed.stderr)
    assert re.search(expected, told), told
