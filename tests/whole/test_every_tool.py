"""As an agent meets them: launched over stdio, with a platform that starts by itself."""

import base64
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import mcp_types
import pytest
from mcp import Client, StdioServerParameters

from createos_mcp.contract.values import MASK, Json
from createos_mcp.platform.api.app import HANDLERS
from createos_mcp.platform.git.bare_repositories import BareRepository
from createos_mcp.platform.marketplace import review
from createos_mcp.platform.paths import DataDir
from tests.cli.launches import run
from tests.eras import Era, both_eras
from tests.eventually import eventually
from tests.platform.dns_servers import Zone
from tests.platform.platforms import ANSWERING, UNFINISHED, read_page, zip_of


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
        return await eventually(
            lambda: self.call("GetDeployment", project_id=project, deployment_id="latest"),
            lambda newest: newest["status"] not in UNFINISHED,
        )

    async def page(self, project: str) -> str:
        """What the project answers at its address."""
        assert (await self.settled(project))["status"] == "deployed"
        (environment,) = (await self.call("ListProjectEnvironments", project_id=project))["items"]
        return await read_page(environment["extra"]["endpoint"])


def text_of(result: mcp_types.CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, mcp_types.TextContent)
    return part.text


@asynccontextmanager
async def launched(era: Era, data_dir: Path, **variables: str) -> AsyncIterator[Agent]:
    async with connected(era, {"CREATEOS_DATA_DIR": str(data_dir), **variables}) as agent:
        yield agent


@asynccontextmanager
async def connected(era: Era, settings: Mapping[str, str]) -> AsyncIterator[Agent]:
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "createos_mcp"],
        env={**others, "CREATEOS_TOOLSETS": "all", "CREATEOS_CONFIRM": "proceed", **settings},
    )
    async with Client(server, mode=era) as client:
        yield Agent(client=client)


@asynccontextmanager
async def another_agent(era: Era, data_dir: Path, agent: Agent) -> AsyncIterator[Agent]:
    """The agent of a user who is added now, and whose calls count as the first one's."""
    command = ("platform", "user", "add", f"other-{era}", "--json")
    added = json.loads(run(*command, CREATEOS_DATA_DIR=str(data_dir)).stdout)
    client = {"CREATEOS_API_URL": added["apiUrl"], "CREATEOS_API_KEY": added["apiKey"]}
    async with connected(era, client) as other:
        yield replace(other, called=agent.called)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one scenario plays on: an agent, and names that no other scenario uses."""

    agent: Agent
    name: str
    era: Era
    data_dir: Path
    zone: Zone


Scenario = Callable[[Stage], Awaitable[None]]


async def account(stage: Stage) -> None:
    agent = stage.agent
    assert "@" in (await agent.call("GetCurrentUser"))["email"]
    quota = (await agent.call("GetQuotas"))["projects"]
    assert quota["remaining"] == quota["max"] - quota["current"]
    supported = json.dumps(await agent.call("GetSupportedProjectTypes"))
    for runtime in ("node:20", "python:3.11", "golang:1.25"):
        assert runtime in supported


async def api_keys(stage: Stage) -> None:
    agent, name = stage.agent, stage.name

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


async def projects(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
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


async def uploads(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    encoded = [{"path": "main.py", "content": as_base64(saying("as base64").encode())}]
    await agent.call("UploadDeploymentBase64Files", project_id=name, files=encoded)
    assert await agent.page(name) == "as base64"
    packed = as_base64(zip_of({"main.py": saying("as zip")}))
    await agent.call("UploadDeploymentZip", project_id=name, file=packed)
    assert await agent.page(name) == "as zip"
    image = await agent.refusal("CreateDeployment", project_id=name, image="nginx:latest")
    assert "images can only be deployed to an image project" in image


async def deploy(agent: Agent, name: str) -> None:
    """A project that answers `as text`."""
    await new_project(agent, name)
    text = [{"path": "main.py", "content": saying("as text")}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=text)
    assert await agent.page(name) == "as text"


def saying(greeting: str) -> str:
    """An app that answers with this unless its variable GREETING says otherwise."""
    return ANSWERING.replace('"hello"', f'"{greeting}"')


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def deployments(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
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


async def analytics(stage: Stage) -> None:
    """A page that was read, and one that is not there."""
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    (environment,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    async with httpx2.AsyncClient() as client:
        await client.post(environment["extra"]["endpoint"] + "/orders/7?page=2")
    figures = "GetProjectEnvironmentAnalytics"
    place = {"project_id": name, "environment_id": environment["id"]}
    total = (await agent.call(f"{figures}OverallRequests", **place))["total"]
    distribution = (await agent.call("GetEnvAnalyticsReqDistribution", **place))["items"]
    assert {"status": "501", "count": 1} in distribution
    assert total == sum(row["count"] for row in distribution) > 1
    assert (await agent.call(f"{figures}RPM", **place))["peak"] <= total
    share = (await agent.call(f"{figures}SuccessPercentage", **place))["successPercentage"]
    assert 0 < share < 100
    hits = (await agent.call(f"{figures}TopHitPaths", **place))["items"]
    assert {unframed(row["path"]) for row in hits} == {"/", "/orders/{id}"}
    failures = (await agent.call(f"{figures}TopErrorPaths", **place))["items"]
    found = [(unframed(row["path"]), row["status"], row["count"]) for row in failures]
    assert ("/orders/{id}", "501", 1) in found
    points = (await agent.call(f"{figures}RequestsOverTime", **place))["items"]
    assert sum(point["count"] for point in points) == total
    assert (await agent.call(figures, **place))["overallRequests"]["total"] == total


def unframed(text: str) -> str:
    """Text of strangers without the marks around it."""
    return re.sub(r"</?untrusted [0-9a-f]+>", "", text)


async def environments(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    staging = {"project_id": name, "environment_id": "staging"}

    async def shown() -> Json:
        listed = await agent.call("ListProjectEnvironments", project_id=name)
        return next(row for row in listed["items"] if row["uniqueName"] == "staging")

    async def settled() -> Json:
        return await eventually(shown, lambda row: row["status"] == "active")

    free = {"project_id": name, "uniqueName": "staging"}
    assert (await agent.call("CheckProjectEnvironmentUniqueName", **free))["isAvailable"]
    await agent.call(
        "CreateProjectEnvironment",
        **free,
        displayName="Staging",
        resources={"cpu": 200, "memory": 512, "replicas": 1},
        settings={"runEnvs": {}},
    )
    assert not (await agent.call("CheckProjectEnvironmentUniqueName", **free))["isAvailable"]
    words = {"displayName": "Before live", "description": "Seen by us alone"}
    await agent.call("UpdateProjectEnvironment", **staging, **words)
    variables = {"runEnvs": {"GREETING": "in staging"}}
    await agent.call("UpdateProjectEnvironmentEnvironmentVariables", **staging, **variables)
    again = [{"path": "main.py", "content": ANSWERING}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=again)
    listed = await eventually(
        lambda: agent.call("ListDeployments", project_id=name),
        lambda found: found["items"][-1]["status"] == "sleeping",
    )
    first = listed["items"][-1]
    await agent.call("WakeupDeployment", project_id=name, deployment_id=first["id"])
    await agent.call("AssignDeploymentToProjectEnvironment", **staging, deploymentId=first["id"])
    assert await read_page((await settled())["extra"]["endpoint"]) == "in staging"
    two = {"cpu": 200, "memory": 512, "replicas": 2}
    await agent.call("UpdateProjectEnvironmentResources", **staging, **two)
    assert (await settled())["extra"]["runningReplicas"] == 2
    log = (await agent.call("GetProjectEnvironmentLogs", **staging))["log"]
    assert "asked for /" in log
    await agent.call("DeleteProjectEnvironment", **staging)
    await eventually(
        lambda: agent.call("ListProjectEnvironments", project_id=name),
        lambda left: len(left["items"]) == 1,
    )


async def apps(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)

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


async def domains(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)

    async def shown() -> Json:
        (domain,) = (await agent.call("ListDomains", project_id=name))["items"]
        return domain

    host, zone = f"{name}.example.com", stage.zone
    one = {"project_id": name, "domain_id": host}
    (environment,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    created = await agent.call("CreateDomain", project_id=name, name=host)
    assert (created["status"], (await shown())["records"]) == ("pending", created["records"])
    assert "no CNAME" in (await agent.call("RefreshDomain", **one))["message"]
    zone.lines.append(f"{host}. 1 IN CNAME {created['records']['cname']}.")
    assert "is verified" in (await agent.call("RefreshDomain", **one))["message"]
    await agent.call("UpdateDomainEnvironment", **one, environmentId=environment["id"])
    port = environment["extra"]["hostEndpoint"].rpartition(":")[2]
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}", headers={"Host": host})
    assert answer.text == "as text"
    await agent.call("UpdateDomainEnvironment", **one)
    assert (await shown())["environmentId"] is None
    await agent.call("DeleteDomain", **one)
    assert (await agent.call("ListDomains", project_id=name))["items"] == []


async def cronjobs(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    one = {"project_id": name, "cronjob_id": name}
    await agent.call("UpdateProjectSettings", project_id=name, runEnvs={"GREETING": "as set"})
    await agent.call(
        "RetriggerDeployment", project_id=name, deployment_id="latest", settings="project"
    )
    assert await agent.page(name) == "as set"
    (environment,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    await agent.call(
        "CreateCronjob",
        project_id=name,
        environmentId=environment["id"],
        name=name,
        schedule="* * * * * *",
        type="http",
        settings={"path": "/tick", "method": "GET"},
    )
    runs = await eventually(
        lambda: agent.call("ListCronjobActivities", **one),
        lambda runs: "'statusCode': 200" in str(runs),
    )
    assert MASK in str(runs)  # the page shows a variable's value
    await agent.call("SuspendCronjob", **one)
    await agent.call("RunCronjob", **one)
    assert (await agent.call("GetCronjob", **one))["status"] == "suspended"
    await agent.call("UnsuspendCronjob", **one)
    await agent.call("UpdateCronjob", **one, name=f"{name}-2", schedule="@daily")
    (job,) = (await agent.call("ListCronjobs", project_id=name))["items"]
    assert (job["name"], job["schedule"], job["status"]) == (f"{name}-2", "@daily", "active")
    await agent.call("DeleteCronjob", project_id=name, cronjob_id=f"{name}-2")
    assert (await agent.call("ListCronjobs", project_id=name))["items"] == []


async def transfers(stage: Stage) -> None:
    """There and back again."""
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    project_id = (await agent.call("GetProject", project_id=name))["id"]
    async with another_agent(stage.era, stage.data_dir, agent) as other:
        for giver, receiver in ((agent, other), (other, agent)):
            link = await giver.call("GetProjectTransferUri", project_id=name)
            assert str(link).count(link["token"]) == 1
            assert f"TransferProject project_id={project_id} token=TOKEN" in link["next"]
            given = {"project_id": project_id, "token": link["token"]}
            await receiver.call("TransferProject", **given)
            assert name in await giver.refusal("GetProject", project_id=name)
            assert "used" in await giver.refusal("TransferProject", **given)
    listed = (await agent.call("ListProjectTransferHistory", project_id=name))["items"]
    last, first = [(row["fromUserId"], row["toUserId"]) for row in listed]
    assert last == first[::-1]
    assert await agent.page(name) == "as text"


async def local_operations(stage: Stage) -> None:
    """What the local platform alone has."""
    agent, name = stage.agent, stage.name
    await agent.call("UpdateRuntimeSettings", **await new_project(agent, name), healthPath="/")
    text = [{"path": "main.py", "content": saying("as text")}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=text)
    assert await agent.page(name) == "as text"
    newest = {"project_id": name, "deployment_id": "latest"}
    done = await agent.call("RunCommand", **newest, command="ls; exit 4")
    assert (done["exitCode"], "main.py" in done["output"]) == (4, True)
    await agent.call("StopEnvironment", project_id=name, environment_id="production")
    (stopped,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    assert stopped["extra"]["stopped"] is True
    await agent.call("RestartEnvironment", project_id=name, environment_id="production")
    await eventually(
        lambda: agent.call("ListProjectEnvironments", project_id=name),
        lambda listed: listed["items"][0]["status"] == "active",
    )
    place = {"project_id": name, "environment_id": "production"}
    for variables in ({"KEPT": "yes"}, {}):
        await agent.call("UpdateProjectEnvironmentEnvironmentVariables", **place, runEnvs=variables)
    await agent.call("RestoreVariables", project_id=name, environmentId="production")
    (environment,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    assert list(environment["settings"]["runEnvs"]) == ["KEPT"]
    await agent.call("SleepDeployment", **newest)
    assert (await agent.settled(name))["status"] == "sleeping"


async def managed_services(stage: Stage) -> None:
    """A cache from its beginning to its end, and an app that is told where it is."""
    agent, name = stage.agent, stage.name
    service = {"service_id": name}
    await agent.call("CreateService", name=name, kind="valkey")
    await eventually(
        lambda: agent.call("GetService", **service), lambda shown: shown["status"] == "running"
    )
    place = await new_project(agent, name)
    bound = await agent.call("BindService", **service, projectId=name)
    assert bound["variable"] == "REDIS_URL"
    asking = "import os\nurl = os.environ['REDIS_URL']\n" + saying("told")
    text = [{"path": "main.py", "content": asking}]
    await agent.call("UploadDeploymentFiles", **place, files=text)
    assert await agent.page(name) == "told"
    await agent.call("UpdateService", **service, sizeMb=256)
    await agent.call("RestartService", **service)
    made = await agent.call("BackUpService", **service)
    await agent.call("RestoreService", **service, backup_id=made["id"])
    (binding,) = (await agent.call("GetService", **service))["bindings"]
    bound_to = {**service, "binding_id": binding["id"]}
    await agent.call("RotateServicePassword", **bound_to)
    assert "is bound to" in await agent.refusal("DeleteService", **service)
    await agent.call("CreateApp", name=name)
    await agent.call("AddServicesToApp", app_id=name, serviceIds=[name])
    assert (await agent.call("ListServicesByApp", app_id=name))["items"][0]["name"] == name
    await agent.call("RemoveServicesFromApp", app_id=name, serviceIds=[name])
    await agent.call("UnbindService", **bound_to)
    await agent.call("DeleteService", **service)
    assert name not in [row["name"] for row in (await agent.call("ListServices"))["items"]]


async def new_project(agent: Agent, name: str) -> dict[str, str]:
    """A project without a deployment, as an argument names it."""
    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    await agent.call("CreateProject", **project, settings={"useBuildAI": True})
    return {"project_id": name}


async def endings(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    newest = {"project_id": name, "deployment_id": "latest"}
    await agent.call("UpdateProjectSettings", project_id=name, buildCommand="sleep 60")
    text = [{"path": "main.py", "content": ANSWERING}]
    await agent.call("UploadDeploymentFiles", project_id=name, files=text)
    await agent.call("CancelDeployment", **newest)
    cancelled = await agent.settled(name)
    assert cancelled["status"] == "cancelled"
    await agent.call("DeleteDeployment", project_id=name, deployment_id=cancelled["id"])
    await agent.call("DeleteProject", project_id=name)
    await eventually(lambda: agent.call("ListProjects", name=name), lambda left: not left["items"])


async def repositories(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    (account,) = (await agent.call("ListConnectedGithubAccounts"))["items"]
    installation = {"installation_id": str(account["installationId"])}
    source = {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": name}
    project = {"uniqueName": name, "displayName": name, "type": "vcs", "source": source}
    await agent.call("CreateProject", **project, settings={"useBuildAI": True})
    (repository,) = [
        row
        for row in (await agent.call("ListGithubRepositories", **installation))["items"]
        if row["name"] == name
    ]
    bare = BareRepository(DataDir(stage.data_dir).repository(repository["id"]))
    files = stage.data_dir.with_name(f"{name}-files")
    files.mkdir()
    (files / "index.html").write_text("pushed")
    bare.commit_files(files, "main", "First")
    await agent.call("TriggerLatestDeployment", project_id=name)
    assert await agent.page(name) == "pushed"
    again = await agent.call("TriggerLatestDeployment", project_id=name, branch="main")
    assert "is version 1 already" in again["message"]
    named = {**installation, "repository": repository["fullName"]}
    branches = (await agent.call("ListGithubRepositoryBranches", **named))["items"]
    assert [branch["name"] for branch in branches] == ["main"]
    tree = await agent.call("GetGithubRepositoryContent", **named, branch="main")
    (entry,) = tree["tree"]
    assert "index.html" in entry["path"]
    refused = await agent.refusal("InstallGithubApp", installationId=7, code="x")
    assert "`createos-mcp platform github login`" in refused


async def scans(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    await deploy(agent, name)
    newest = {"project_id": name, "deployment_id": "latest"}
    assert "Scans are off" in await agent.refusal("TriggerSecurityScan", **newest)
    await agent.call("UpdateProject", project_id=name, displayName=name, enabledSecurityScan=True)
    await agent.call("TriggerSecurityScan", **newest)
    scan = await eventually(
        lambda: agent.call("GetSecurityScan", **newest),
        lambda row: row["status"] not in {"pending", "in_progress"},
        within_s=180,
    )
    assert scan["status"] == "success", scan["failedReason"]
    assert "only one that failed is repeated" in await agent.refusal(
        "RetriggerSecurityScan", **newest
    )
    link = (await agent.call("GetSecurityScanDownloadUri", **newest))["downloadUri"]
    async with httpx2.AsyncClient() as client:
        packed = (await client.get(link)).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert set(archive.namelist()) == {"report.json", "report.sarif", "sbom.cdx.json"}


async def templates(stage: Stage) -> None:
    agent, name = stage.agent, stage.name
    text = "A text of more than a hundred characters, which is what the platform asks for. " * 2
    written = {
        "name": f"Template {name}",
        "description": text,
        "overview": text,
        "useCases": text,
        "imageUri": "x.png",
    }
    await deploy(agent, name)
    (environment,) = (await agent.call("ListProjectEnvironments", project_id=name))["items"]
    parts = ("projectConfiguration", "environmentConfiguration", "buildResources")
    made = await agent.call(
        "CreateProjectTemplate",
        **written,
        projectId=environment["projectId"],
        environmentId=environment["id"],
        **{part: {} for part in (*parts, "deploymentResources")},
    )
    own = {"template_id": made["id"]}
    await agent.call("UpdateProjectTemplate", **own, **written, videoUrl="https://example.com/v")
    await agent.call("UpdateProjectTemplateStatus", **own)
    await review(DataDir(stage.data_dir), made["id"], "Say more")
    (rejection,) = (await agent.call("ListProjectTemplateRejections", **own))["items"]
    assert "Say more" in rejection["rejectionReason"]
    assert (await agent.call("GetProjectTemplate", **own))["status"] == "rejected"
    mine = (await agent.call("ListMyProjectTemplates"))["items"]
    assert made["id"] in [row["id"] for row in mine]
    counts = await agent.call("ListProjectTemplateCounts")
    assert counts["total"] >= 12
    listed = (await agent.call("ListPublishedProjectTemplates", name="static site"))["items"]
    index = 0 if stage.era == "legacy" else 1
    listed += (await agent.call("ListPublishedProjectTemplates", name="blue-green"))["items"]
    bought = await agent.call("BuyProjectTemplate", template_id=listed[index]["id"])
    purchases = (await agent.call("ListProjectTemplatePurchases"))["items"]
    assert bought["id"] in [row["id"] for row in purchases]
    purchase = {"purchase_id": bought["id"]}
    link = (await agent.call("DownloadProjectTemplate", **purchase))["downloadUri"]
    async with httpx2.AsyncClient() as client:
        assert (await client.get(link)).content.startswith(b"PK")
    job = await agent.call("DeployProjectTemplateViaGithub", **purchase, installationId=1)
    assert job["jobId"]
    await agent.call("DeleteProjectTemplate", **own)
    assert "No template" in await agent.refusal("GetProjectTemplate", **own)


SCENARIOS: Mapping[str, Scenario] = {
    "account": account,
    "keys": api_keys,
    "projects": projects,
    "uploads": uploads,
    "deployments": deployments,
    "analytics": analytics,
    "environments": environments,
    "apps": apps,
    "domains": domains,
    "cronjobs": cronjobs,
    "transfers": transfers,
    "local": local_operations,
    "services": managed_services,
    "github": repositories,
    "security": scans,
    "templates": templates,
    "endings": endings,
}


@pytest.fixture(scope="module")
def called() -> dict[Era, set[str]]:
    """Which operations the scenarios have called so far."""
    return {"legacy": set(), "auto": set()}


@both_eras
@pytest.mark.parametrize("title", SCENARIOS)
async def test_the_operations_of_a_group_do_what_they_say(
    title: str, era: Era, data_dir: Path, dns: tuple[Zone, str], called: dict[Era, set[str]]
) -> None:
    zone, server = dns
    async with launched(era, data_dir, CREATEOS_PLATFORM_DNS_SERVERS=server) as agent:
        name = f"{title}-{era}"
        await SCENARIOS[title](Stage(agent=agent, name=name, era=era, data_dir=data_dir, zone=zone))
    called[era] |= agent.called


@both_eras
@pytest.mark.parametrize("operation", sorted(HANDLERS))
def test_a_scenario_called_the_operation(
    operation: str, era: Era, called: dict[Era, set[str]]
) -> None:
    assert operation in called[era]
