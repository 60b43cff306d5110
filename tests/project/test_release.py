"""What the MCP registry and hosts with bundles are told, and whether it is true."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from mcp import Client, StdioServerParameters
from uv import find_uv_bin

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.settings.settings import Settings
from tests.eras import ERAS, Era

ROOT = Path(__file__).parents[2]
SERVER = json.loads((ROOT / "server.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as a host unpacks it."""
    root = tmp_path_factory.mktemp("bundle")
    built = subprocess.run(
        [sys.executable, ROOT / "release" / "bundle.py", root],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    assert Path(built).name == f"createos-mcp-{PROJECT['version']}.mcpb"
    with ZipFile(built) as archive:
        assert archive.testzip() is None
        archive.extractall(root / "unpacked")
    return root / "unpacked"


def test_the_manifests_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "release" / "manifests.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_registry_accepts_what_server_json_says() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 1 <= len(SERVER["description"]) <= 100
    (package,) = SERVER["packages"]
    assert SERVER["version"] == package["version"] == PROJECT["version"] == version("createos-mcp")
    assert package["identifier"] == PROJECT["name"]
    assert package["transport"] == {"type": "stdio"}


def test_the_readme_proves_the_name_in_the_registry() -> None:
    assert f"<!-- mcp-name: {SERVER['name']} -->" in (ROOT / "README.md").read_text()


def test_every_variable_in_server_json_is_a_setting_and_secrets_are_marked() -> None:
    (package,) = SERVER["packages"]
    named = {variable["name"] for variable in package["environmentVariables"]}
    _, problems = Settings.read(dict.fromkeys(named, "1"), {})
    assert not any("no such setting" in str(problem) for problem in problems)
    secret = {v["name"] for v in package["environmentVariables"] if v.get("isSecret")}
    assert secret == {"CREATEOS_API_KEY", "CREATEOS_ACCESS_TOKEN"}


def test_the_bundle_holds_what_its_manifest_names(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert (bundle / manifest["server"]["entry_point"]).is_file()
    launched = manifest["server"]["mcp_config"]["args"][-1]
    assert (bundle / launched).is_file()
    asked = manifest["user_config"]
    for value in manifest["server"]["mcp_config"]["env"].values():
        assert value.removeprefix("${user_config.").removesuffix("}") in asked
    assert asked["api_key"]["sensitive"] is True
    assert not any(field["required"] for field in asked.values())
    assert {tool["name"] for tool in manifest["tools"]} == {
        tool.name for tool in load_catalog().tools
    }


@pytest.mark.parametrize("era", ERAS)
async def test_the_manifests_command_starts_the_server_whatever_the_form_leaves_empty(
    bundle: Path, era: Era
) -> None:
    config = json.loads((bundle / "manifest.json").read_text())["server"]["mcp_config"]
    env = {**config["env"], "CREATEOS_TOOLSETS": "", "CREATEOS_READ_ONLY": "true"}
    # The dependencies are those of this environment; a host's uv would fetch them.
    installed = {"UV_NO_SYNC": "1", "UV_OFFLINE": "1", "UV_PROJECT_ENVIRONMENT": sys.prefix}
    server = StdioServerParameters(
        command=find_uv_bin(),
        args=[arg.replace("${__dirname}", str(bundle)) for arg in config["args"]],
        env={**env, **installed, "HOME": str(bundle)},
    )
    async with Client(server, mode=era) as client:
        tools = (await client.list_tools()).tools
    assert tools
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)


def test_the_same_sources_make_the_same_bundle(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        script = str(ROOT / "release" / "bundle.py")
        command = [sys.executable, script, str(tmp_path / name)]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        (file,) = (tmp_path / name).iterdir()
        made.append(file.read_bytes())
    assert made[0] == made[1]
