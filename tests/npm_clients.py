"""MCP clients from npm, run as their users run them."""

import json
import os
import subprocess
import tempfile

from createos_mcp.contract.values import Json

INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"


MCPORTER = "mcporter@0.9.0"
"""Of the newest mcporter only this runs on Node 20."""


def run(package: str, *arguments: str) -> Json:
    """What a client from npm printed; it has to succeed and to find no fault with a tool."""
    # A file, because mcporter ends before a pipe has taken everything.
    with tempfile.TemporaryFile("w+") as printed:
        done = subprocess.run(
            ["npx", "--yes", package, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
            check=False,
            env={name: value for name, value in os.environ.items() if "CREATEOS" not in name},
        )
        printed.seek(0)
        told = printed.read()
    assert done.returncode == 0, f"{told}\n{done.stderr}"
    assert "Warning: tool" not in done.stderr, done.stderr
    return json.loads(told)
