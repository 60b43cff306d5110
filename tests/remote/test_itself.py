"""createos-mcp deploys createos-mcp: onto the local platform, through its own tools."""

import base64
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState
from tests.cli.launches import environ
from tests.eventually import eventually
from tests.platform.platforms import UNFINISHED, zip_of
from tests.programs import needs

ROOT = Path(__file__).parent.parent.parent
PACKED = ("pyproject.toml", "README.md", "LICENSE", "createos_mcp", "tool_schemas", "starters")
BUILD_PATIENCE_S = 400.0


def packed() -> bytes:
    """This repository, as far as a server needs it."""
    files: dict[str, str | bytes] = {}
    for name in PACKED:
        place = ROOT / name
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                files[file.relative_to(ROOT).as_posix()] = file.read_bytes()
    return zip_of(files)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """One for all, so that what one build fetched is there for the next."""
    return DataDir(tmp_path_factory.mktemp("data"))


@pytest.fixture(params=[pytest.param("auto", marks=needs("bwrap")), "none"])
def platform(request: pytest.FixtureRequest, data_dir: DataDir) -> Iterator[PlatformState]:
    """A platform with sandboxes, and one without."""
    config = PlatformConfig(data_dir=data_dir, isolation=request.param)
    daemon.ensure_running(config, environ())
    try:
        state = daemon.find_running(data_dir)
        assert state is not None
        assert state.isolation == {"auto": "bubblewrap", "none": "none"}[request.param]
        yield state
    finally:
        daemon.stop_platform(config)


async def deploy(agent: Client, name: str, runtime_variables: Mapping[str, str]) -> str:
    """The address of a server that was deployed as docs/remote.md says."""

    async def call(tool: str, **arguments: Json) -> Json:
        result = await agent.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return result.structured_content

    settings = {
        "runtime": f"python:{sys.version_info.major}.{sys.version_info.minor}",
        "installCommand": "pip install .",
        "runCommand": "createos-mcp serve --port $PORT",
        "port": 8080,
        "runEnvs": dict(runtime_variables),
    }
    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    await call("CreateProject", **project, settings=settings)
    await call("UploadDeploymentZip", project_id=name, file=base64.b64encode(packed()).decode())
    newest = {"project_id": name, "deployment_id": "latest"}
    deployment = await eventually(
        lambda: call("GetDeployment", **newest),
        lambda found: found["status"] not in UNFINISHED,
        within_s=BUILD_PATIENCE_S,
        pause_s=0.5,
    )
    log = await call("GetBuildLogs", **newest)
    assert deployment["status"] == "deployed", (deployment, log)
    (environment,) = (await call("ListProjectEnvironments", project_id=name))["items"]
    address: str = environment["extra"]["endpoint"]
    return address


@asynccontextmanager
async def client_of(address: str, key: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"X-Api-Key": key}, timeout=60, trust_env=False) as carrier,
        Client(streamable_http_client(f"{address}/mcp", http_client=carrier)) as client,
    ):
        yield client


async def test_the_deployed_server_serves_its_tools_at_the_platforms_address(
    platform: PlatformState, data_dir: DataDir
) -> None:
    key = data_dir.key_file.read_text().strip()
    name = f"team-mcp-{platform.isolation}"
    variables = {
        "CREATEOS_SERVE_HOST": "0.0.0.0",
        "CREATEOS_SERVE_ALLOWED_HOSTS": "127.0.0.1:*,localhost:*",
        "CREATEOS_API_URL": platform.api_url,
        "CREATEOS_TOOLSETS": "all",
    }
    own = environ(CREATEOS_API_URL=platform.api_url, CREATEOS_API_KEY=key)
    launched = StdioServerParameters(command=sys.executable, args=["-m", "createos_mcp"], env=own)
    async with Client(launched) as agent:
        address = await deploy(agent, name, variables)
    assert (await ask(address, "/healthz")).json() == {"status": "ok"}
    assert (await ask(address, "/mcp")).status_code == 401
    async with client_of(address, key) as client:
        tools = (await client.list_tools()).tools
        listed = await client.call_tool("ListProjects", {})
    catalog = load_catalog()
    assert [tool.name for tool in tools] == sorted([*catalog.operations, *catalog.workflows])
    if platform.isolation == "none":
        # The deployed server reaches the platform that runs it, and sees itself there.
        assert listed.structured_content is not None
        assert name in [p["uniqueName"] for p in listed.structured_content["items"]]
        return
    # A sandbox hides the loopback of its host, and the model is told so.
    assert listed.is_error
    assert f"Could not connect to {platform.api_url}" in str(listed.content)


async def ask(address: str, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        return await client.get(address + path)
