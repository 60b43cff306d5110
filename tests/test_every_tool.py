"""As an agent meets them: launched over stdio, with a platform that starts by itself."""

import base64
import io
import json
import os
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
import mcp_types
import pytest
from mcp import Client, StdioServerParameters

from createos_mcp.platform import daemon
from createos_mcp.platform.app import SERVED
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.unserved import need_of
from createos_mcp.redaction import MASK
from tests.eras import Era, both_eras
from tests.platform.platforms import ANSWERING, PATIENCE_S, UNFINISHED, read_page, zip_of
from tests.test_binding import CASES, CATALOG

Json: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A client that remembers which tools it called."""

    client: Client
    called: set[str] = field(default_factory=set)

    async def ask(self, tool: str, arguments: Mapping[str, Json]) -> mcp_types.CallToolResult:
        self.called.add(tool)
        return await self.client.call_tool(tool, dict(arguments))

    async def call(self, tool: str, **arguments: Json) -> Json:
        """What a tool answered that has to succeed."""
        result = await self.ask(tool, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def refusal(self, tool: str, **arguments: Json) -> str:
        """What a tool said that has to fail."""
        result = await self.ask(tool, arguments)
        assert result.is_error, text_of(result)
        return text_of(result)

    async def settled(self, project: str) -> Json:
        """The newest deployment in a state that lasts."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                newest = await self.call(
                    "GetDeployment", project_id=project, deployment_id="latest"
                )
                if newest["status"] not in UNFINISHED:
                    return newest
                await anyio.sleep(0.05)

    async def page(self, project: str) -> str:
        """What the project answers at its address."""
        assert (await self.settled(project))["status"] == "deployed"
        (environment,) = (await self.call("ListProjectEnvironments", project_id=project))["items"]
        return await read_page(environment["extra"]["endpoint"])


def text_of(result: mcp_types.CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, mcp_types.TextContent)
    return part.text


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the platform of these tests lives; it is stopped after them."""
    root = tmp_path_factory.mktemp("platform")
    yield root
    daemon.stop(PlatformConfig(data_dir=DataDir(root)))


@asynccontextmanager
async def launched(era: Era, data_dir: Path) -> AsyncIterator[Agent]:
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "createos_mcp"],
        env={**others, "CREATEOS_DATA_DIR": str(data_dir)},
    )
    async with Client(server, mode=era) as client:
        yield Agent(client=client)


@both_eras
async def test_every_operation_that_the_platform_serves_does_what_it_says(
    era: Era, data_dir: Path
) -> None:
    name = f"every-tool-{era}"
    async with launched(era, data_dir) as agent:
        await account(agent)
        await api_keys(agent, name)
        await projects(agent, name)
        await uploads(agent, name)
        await deployments(agent, name)
        await apps(agent, name)
        await endings(agent, name)
    assert agent.called == SERVED


async def account(agent: Agent) -> None:
    assert "@" in (await agent.call("GetCurrentUser"))["email"]
    quota = (await agent.call("GetQuotas"))["projects"]
    assert quota["remaining"] == quota["max"] - quota["current"]
    supported = json.dumps(await agent.call("GetSupportedProjectTypes"))
    for runtime in ("node:20", "python:3.11", "golang:1.25"):
        assert runtime in supported


async def api_keys(agent: Agent, name: str) -> None:
    async def listed() -> list[str]:
        return [key["name"] for key in (await agent.call("ListAPIKeys"))["items"]]

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await agent.call("CheckAPIKeyUniqueName", uniqueName=name))["isAvailable"]
    await agent.call("CreateAPIKey", name=name, expiryAt=tomorrow)
    assert not (await agent.call("CheckAPIKeyUniqueName", uniqueName=name))["isAvailable"]
    await agent.call("UpdateAPIKey", api_key_id=name, name=f"{name}-2")
    assert f"{name}-2" in await listed()
    await agent.call("RevokeAPIKey", api_key_id=f"{name}-2")
    assert f"{name}-2" not in await listed()


async def projects(agent: Agent, name: str) -> None:
    assert (await agent.call("CheckProjectUniqueName", uniqueName=name))["isAvailable"]
    await agent.call(
        "CreateProject",
        uniqueName=name,
        displayName="Before",
        type="upload",
        source={},
        settings={"useBuildAI": True},
    )
    assert not (await agent.call("CheckProjectUniqueName", uniqueName=name))["isAvailable"]
    assert (await agent.call("ListProjects", name=name))["pagination"]["total"] == 1
    await agent.call("UpdateProject", project_id=name, displayName="After")
    assert (await agent.call("GetProject", project_id=name))["displayName"] == "After"


async def uploads(agent: Agent, name: str) -> None:
    text = [{"path": "main.py", "content": saying("as text")}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=text)
    assert await agent.page(name) == "as text"
    encoded = [{"path": "main.py", "content": as_base64(saying("as base64").encode())}]
    await agent.call("UploadDeploymentBase64Files", project_id=name, files=encoded)
    assert await agent.page(name) == "as base64"
    packed = as_base64(zip_of({"main.py": saying("as zip")}))
    await agent.call("UploadDeploymentZip", project_id=name, file=packed)
    assert await agent.page(name) == "as zip"


def saying(greeting: str) -> str:
    """An app that answers with this unless its variable GREETING says otherwise."""
    return ANSWERING.replace('"hello"', f'"{greeting}"')


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def deployments(agent: Agent, name: str) -> None:
    newest = {"project_id": name, "deployment_id": "latest"}
    await agent.call("UpdateProjectSettings", project_id=name, runEnvs={"GREETING": "as set"})
    settings = (await agent.call("GetProject", project_id=name, reveal="GREETING"))["settings"]
    assert settings["runEnvs"] == {"GREETING": "as set"}
    settings = (await agent.call("GetProject", project_id=name))["settings"]
    assert settings["runEnvs"] == {"GREETING": MASK}
    *_, first = (await agent.call("ListDeployments", project_id=name))["items"]
    assert first["versionNumber"] == 1
    again = {"project_id": name, "deployment_id": first["id"], "settings": "project"}
    await agent.call("RetriggerDeployment", **again)
    assert await agent.page(name) == "as set"
    assert "Building for python" in (await agent.call("GetBuildLogs", **newest))["log"]
    assert "asked for /" in (await agent.call("GetDeploymentLogs", **newest))["log"]
    link = (await agent.call("DownloadDeployment", **newest))["downloadUri"]
    async with httpx2.AsyncClient() as client:
        packed = (await client.get(link)).content
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        assert files.read("main.py").decode() == saying("as text")


async def apps(agent: Agent, name: str) -> None:
    async def members() -> list[str]:
        listed = await agent.call("ListProjectsByApp", app_id=name)
        return [project["uniqueName"] for project in listed["items"]]

    project_id = (await agent.call("GetProject", project_id=name))["id"]
    await agent.call("CreateApp", name=name, color="#00FF00")
    await agent.call("AddProjectsToApp", app_id=name, projectIds=[project_id])
    assert await members() == [name]
    await agent.call("RemoveProjectsFromApp", app_id=name, projectIds=[project_id])
    assert await members() == []
    assert (await agent.call("ListServicesByApp", app_id=name))["items"] == []
    for tool in ("AddServicesToApp", "RemoveServicesFromApp"):
        assert project_id in await agent.refusal(tool, app_id=name, serviceIds=[project_id])
    await agent.call("UpdateApp", app_id=name, name=f"{name}-2")
    listed = (await agent.call("ListApps"))["items"]
    assert (f"{name}-2", "#00FF00") in [(app["name"], app["color"]) for app in listed]
    await agent.call("DeleteApp", app_id=f"{name}-2")
    listed = (await agent.call("ListApps"))["items"]
    assert f"{name}-2" not in [app["name"] for app in listed]


async def endings(agent: Agent, name: str) -> None:
    newest = {"project_id": name, "deployment_id": "latest"}
    await agent.call("UpdateProjectSettings", project_id=name, buildCommand="sleep 60")
    text = [{"path": "main.py", "content": ANSWERING}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=text)
    await agent.call("CancelDeployment", **newest)
    cancelled = await agent.settled(name)
    assert cancelled["status"] == "cancelled"
    await agent.call("DeleteDeployment", project_id=name, deployment_id=cancelled["id"])
    await agent.call("DeleteProject", project_id=name)
    with anyio.fail_after(PATIENCE_S):
        while (await agent.call("ListProjects", name=name))["items"]:
            await anyio.sleep(0.05)


@both_eras
async def test_every_other_operation_says_what_it_will_need(era: Era, data_dir: Path) -> None:
    async with launched(era, data_dir) as agent:
        for case in CASES:
            operation = CATALOG.operations[case["operation"]]
            if operation.name not in SERVED:
                said = await agent.refusal(operation.name, **case["arguments"])
                assert f"{operation.name} failed" in said
                assert "501" in said
                assert need_of(operation) in said
    assert agent.called == CATALOG.operations.keys() - SERVED
