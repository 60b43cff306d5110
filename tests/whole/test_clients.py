"""The server as clients that others wrote see it, launched from their own configuration files."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.npm_clients import INSPECTOR, MCPORTER, run
from tests.platform.platforms import PATIENCE_S, UNFINISHED
from tests.programs import needs

HELLO_NODE = Path(__file__).parents[2] / "examples" / "hello-node"

NAMES = sorted(tool.name for tool in load_catalog(local=True).tools)

pytestmark = needs("npx")


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration as a user would write it; its platform is stopped in the end."""
    root = tmp_path_factory.mktemp("clients")
    server = {
        "command": sys.executable,
        "args": ["-m", "createos_mcp"],
        "env": {"CREATEOS_DATA_DIR": str(root / "data"), "CREATEOS_TOOLSETS": "all"},
    }
    file = root / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"createos": server}, "imports": []}))
    yield file
    daemon.stop_platform(PlatformConfig(data_dir=DataDir(root / "data")))


def inspect(config_file: Path, *arguments: str) -> Json:
    server = ("--cli", "--config", str(config_file), "--server", "createos")
    return run(INSPECTOR, *server, *arguments, "--format", "json")["result"]


def call(config_file: Path, tool: str, arguments: Mapping[str, Json]) -> Json:
    """What a tool answered to the Inspector."""
    named = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
    answer = inspect(config_file, "--method", "tools/call", *named)
    return answer["structuredContent"]


def test_the_inspector_finds_nothing_wrong_with_the_tools(config_file: Path) -> None:
    listed = inspect(config_file, "--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == sorted(
        tool.name for tool in load_catalog(local=True).tools
    )


def test_the_inspector_deploys_hello_node(config_file: Path) -> None:
    name = "hello-node"
    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    settings = {"runtime": "node:20", "port": 3000}
    call(config_file, "CreateProject", {**project, "settings": settings})
    files = [
        {"path": file.name, "content": file.read_text()} for file in sorted(HELLO_NODE.iterdir())
    ]
    call(config_file, "UploadDeploymentFiles", {"project_id": name, "files": files})
    deadline = time.monotonic() + PATIENCE_S
    newest = {"project_id": name, "deployment_id": "latest"}
    while (deployment := call(config_file, "GetDeployment", newest))["status"] in UNFINISHED:
        assert time.monotonic() < deadline, deployment
    assert deployment["status"] == "deployed", deployment
    found = call(config_file, "ListProjectEnvironments", {"project_id": name})
    (environment,) = found["items"]
    with urlopen(environment["extra"]["endpoint"], timeout=PATIENCE_S) as page:
        assert "Hello from hello-node" in page.read().decode()


def test_mcporter_lists_and_calls(config_file: Path) -> None:
    server = ("--config", str(config_file))
    listed = run(MCPORTER, *server, "list", "createos", "--json")
    assert [tool["name"] for tool in listed["tools"]] == sorted(
        tool.name for tool in load_catalog(local=True).tools
    )
    name = ("--args", json.dumps({"uniqueName": "nobody-has-this"}))
    answer = run(
        MCPORTER, *server, "call", "createos.CheckProjectUniqueName", *name, "--output", "json"
    )
    assert answer == {"isAvailable": True}
