"""The server over HTTP as clients that others wrote see it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from tests.apis import fake_api
from tests.npm_clients import INSPECTOR, MCPORTER, run
from tests.programs import needs
from tests.remote.servers import ID, KEY, Served, served

SDK = "@modelcontextprotocol/sdk@1.32.2"

HEADER = f"X-Api-Key: {KEY}"
CALL = ("--method", "tools/call", "--tool-name", "GetProject", "--tool-arg", f"project_id={ID}")

NAMES = sorted([*load_catalog().operations, *load_catalog().workflows])

pytestmark = needs("npx")

both_wires = pytest.mark.parametrize(("wire", "path"), [("http", "/mcp"), ("sse", "/sse")])


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with fake_api() as api, served(api.url, "--toolsets", "all") as one:
        yield one


def inspect(server: Served, wire: str, path: str, *arguments: str) -> Json:
    place = ("--cli", server.url + path, "--transport", wire, "--header", HEADER)
    return run(INSPECTOR, *place, *arguments, "--format", "json")["result"]


@both_wires
def test_the_inspector_lists_and_calls(wire: str, path: str, server: Served) -> None:
    listed = inspect(server, wire, path, "--method", "tools/list")
    assert [tool["name"] for tool in listed["tools"]] == NAMES
    assert inspect(server, wire, path, *CALL)["structuredContent"] == {"id": "p1"}


def test_the_inspector_calls_in_the_newer_era(server: Served) -> None:
    answer = inspect(server, "http", "/mcp", *CALL, "--protocol-era", "modern")
    assert answer["structuredContent"] == {"id": "p1"}


@both_wires
def test_mcporter_lists_and_calls(wire: str, path: str, server: Served, tmp_path: Path) -> None:
    del wire
    file = tmp_path / "mcporter.json"
    entry = {"url": server.url + path, "headers": {"X-Api-Key": KEY}}
    file.write_text(json.dumps({"mcpServers": {"team": entry}, "imports": []}))
    listed = run(MCPORTER, "--config", str(file), "list", "team", "--json")
    assert [tool["name"] for tool in listed["tools"]] == NAMES
    call = ("call", "team.GetProject", f"project_id={ID}", "--output", "json")
    assert run(MCPORTER, "--config", str(file), *call) == {"id": "p1"}


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the TypeScript SDK and a program on it are."""
    root = tmp_path_factory.mktemp("sdk")
    shutil.copy(Path(__file__).parent / "sdk_client.mjs", root)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(root), SDK]
    subprocess.run(install, check=True, timeout=180, stdin=subprocess.DEVNULL)
    return root


@both_wires
def test_the_typescript_sdk_lists_and_calls(
    wire: str, path: str, server: Served, sdk: Path
) -> None:
    given = json.dumps({"project_id": ID})
    done = subprocess.run(
        ["node", "sdk_client.mjs", wire, server.url + path, KEY, "GetProject", given],
        cwd=sdk,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tools"] == NAMES
    assert told["result"]["structuredContent"] == {"id": "p1"}
