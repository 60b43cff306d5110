"""Calls and tokens of ten tasks, with the workflow tools and with operations alone.

Both ways are a fixed script of what an agent has to call, run for real over stdio against a local
platform. What counts is what a model writes (names and arguments) and reads (results).
"""

import base64
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent
from tokens import count_tokens

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir

PATIENCE_S = 120
POLL_S = 2.0
"""How often a model is told to look at a deployment."""

GOAL = 0.5
"""Most that the workflow tools may take of the calls, and of the tokens, of operations alone."""

APP = """import http.server, os

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ.get("GREETING", "VERSION").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
BROKEN = "import a_module_that_is_not_there\n" + APP

ENV_FILE = {"DATABASE_URL": "postgres://db.internal/app", "LOG_LEVEL": "info", "GREETING": "hello"}
PAGES = 120
UNFINISHED = {"queue", "building", "deploying"}


@dataclass(kw_only=True)
class Agent:
    """A client whose calls are metered."""

    client: Client
    directory: Path
    project: str
    texts: list[str] = field(default_factory=list)
    calls: int = 0

    async def call(self, tool: str, **arguments: Json) -> Json:
        """What a tool answers; it has to succeed."""
        result = await self.client.call_tool(tool, arguments)
        (part,) = result.content
        if not isinstance(part, TextContent) or result.is_error:
            raise RuntimeError(f"{tool} failed: {part}")
        self.calls += 1
        self.texts += [tool + json.dumps(arguments), part.text]
        return result.structured_content

    def files(self) -> list[Json]:
        """The directory as a model has to write it down."""
        names = sorted(self.directory.glob("*.*"))
        return [{"path": file.name, "content": file.read_text()} for file in names]

    async def upload(self) -> Json:
        """Deploy the directory with operations alone, and look until it is over."""
        if len(self.files()) > 100:
            await self.call("UploadDeploymentZip", project_id=self.project, file=self.zip())
        else:
            await self.call("UploadDeploymentFiles", project_id=self.project, files=self.files())
        return await self.settled()

    def zip(self) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in self.files():
                archive.writestr(file["path"], file["content"])
        return base64.b64encode(packed.getvalue()).decode()

    async def settled(self) -> Json:
        place = {"project_id": self.project, "deployment_id": "latest"}
        with anyio.fail_after(PATIENCE_S):
            while True:
                found = await self.call("GetDeployment", **place)
                if found["status"] not in UNFINISHED:
                    return found
                await anyio.sleep(POLL_S)

    async def environment(self, **more: Json) -> Json:
        listed = await self.call("ListProjectEnvironments", project_id=self.project, **more)
        return listed["items"][0]

    async def assign(self, deployment_id: str) -> None:
        """Let the environment serve a deployment, and look until it does."""
        place = {"project_id": self.project, "environment_id": "production"}
        await self.call("AssignDeploymentToProjectEnvironment", **place, deploymentId=deployment_id)
        with anyio.fail_after(PATIENCE_S):
            while True:
                if (await self.environment())["status"] == "active":
                    return
                await anyio.sleep(POLL_S)

    async def variables(self) -> dict[str, str]:
        """Every variable in clear, which takes a call for each."""
        names = (await self.environment())["settings"]["runEnvs"]
        return {
            name: (await self.environment(reveal=name))["settings"]["runEnvs"][name]
            for name in names
        }

    async def replace(self, variables: Mapping[str, str]) -> None:
        place = {"project_id": self.project, "environment_id": "production"}
        await self.call(
            "UpdateProjectEnvironmentEnvironmentVariables", **place, runEnvs=dict(variables)
        )

    async def restart(self) -> None:
        await self.assign((await self.environment())["projectDeploymentId"])

    def write(self, text: str) -> None:
        (self.directory / "main.py").write_text(text)


Way: TypeAlias = Callable[[Agent], Awaitable[object]]


async def deploy(agent: Agent) -> None:
    agent.write(APP)
    found = await agent.call("Deploy", project_id=agent.project, directory=str(agent.directory))
    expect(found["live"])


async def deploy_by_operations(agent: Agent) -> None:
    agent.write(APP)
    await agent.call(
        "CreateProject",
        uniqueName=agent.project,
        displayName=agent.project,
        type="upload",
        source={},
        settings={"useBuildAI": True},
    )
    expect((await agent.upload())["status"] == "deployed")
    await agent.environment()


async def break_it(agent: Agent) -> None:
    agent.write(BROKEN)
    found = await agent.call("Deploy", project_id=agent.project, directory=str(agent.directory))
    expect("a_module_that_is_not_there" in found["cause"])


async def break_it_by_operations(agent: Agent) -> None:
    agent.write(BROKEN)
    expect((await agent.upload())["status"] == "crashing")
    place = {"project_id": agent.project, "deployment_id": "latest"}
    await agent.call("GetBuildLogs", **place)
    log = await agent.call("GetDeploymentLogs", **place, **{"since-seconds": 600})
    expect("a_module_that_is_not_there" in log["log"])


async def fix(agent: Agent) -> None:
    agent.write(APP.replace("VERSION", "fixed"))
    found = await agent.call("Deploy", project_id=agent.project, directory=str(agent.directory))
    expect(found["live"])


async def fix_by_operations(agent: Agent) -> None:
    agent.write(APP.replace("VERSION", "fixed"))
    expect((await agent.upload())["status"] == "deployed")
    await agent.environment()


async def diagnose(agent: Agent) -> None:
    found = await agent.call("Diagnose", project_id=agent.project)
    expect(found["environments"][0]["health"]["answered"] == 200)


async def diagnose_by_operations(agent: Agent) -> None:
    await agent.call("GetProject", project_id=agent.project)
    await agent.call("ListDeployments", project_id=agent.project)
    await agent.environment()
    await agent.call("ListDomains", project_id=agent.project)
    place = {"project_id": agent.project, "environment_id": "production"}
    await agent.call("GetProjectEnvironmentLogs", **place, **{"since-seconds": 600})


async def roll_back(agent: Agent) -> None:
    found = await agent.call("Rollback", project_id=agent.project)
    expect(found["now"]["version"] == 1)


async def roll_back_by_operations(agent: Agent) -> None:
    present = (await agent.environment())["projectDeploymentId"]
    listed = (await agent.call("ListDeployments", project_id=agent.project))["items"]
    good = [row for row in listed if row["status"] == "sleeping" and row["id"] != present]
    await agent.assign(good[0]["id"])


async def set_one(agent: Agent) -> None:
    found = await agent.call(
        "SetEnvironmentVariables", project_id=agent.project, set={"GREETING": "hi"}, redeploy=True
    )
    expect(found["effective"])


async def set_one_by_operations(agent: Agent) -> None:
    await agent.replace({**await agent.variables(), "GREETING": "hi"})
    await agent.restart()


async def take_file(agent: Agent) -> None:
    await agent.call("SetEnvironmentVariables", project_id=agent.project, envFile=".env")


async def take_file_by_operations(agent: Agent) -> None:
    await agent.replace({**await agent.variables(), **ENV_FILE})


async def unset_one(agent: Agent) -> None:
    found = await agent.call(
        "SetEnvironmentVariables", project_id=agent.project, unset=["LOG_LEVEL"]
    )
    expect(found["removed"] == ["LOG_LEVEL"])


async def unset_one_by_operations(agent: Agent) -> None:
    held = await agent.variables()
    await agent.replace({name: value for name, value in held.items() if name != "LOG_LEVEL"})


async def wait(agent: Agent) -> None:
    """A deployment that was begun and not waited for."""
    await agent.call("RetriggerDeployment", project_id=agent.project, deployment_id="latest")
    found = await agent.call("WaitForDeployment", project_id=agent.project)
    expect(found["live"])


async def wait_by_operations(agent: Agent) -> None:
    await agent.call("RetriggerDeployment", project_id=agent.project, deployment_id="latest")
    expect((await agent.settled())["status"] == "deployed")
    await agent.environment()


async def deploy_many(agent: Agent) -> None:
    write_pages(agent.directory)
    found = await agent.call("Deploy", project_id=agent.project, directory=str(agent.directory))
    expect(found["live"])


async def deploy_many_by_operations(agent: Agent) -> None:
    write_pages(agent.directory)
    expect((await agent.upload())["status"] == "deployed")
    await agent.environment()


def write_pages(directory: Path) -> None:
    for number in range(PAGES):
        (directory / f"page-{number}.html").write_text(f"<h1>Page {number}</h1>\n")


TASKS: Mapping[str, tuple[Way, Way]] = {
    "deploy a directory as a new project": (deploy, deploy_by_operations),
    "deploy a version that fails, find out why": (break_it, break_it_by_operations),
    "deploy the correction": (fix, fix_by_operations),
    "see whether all is well": (diagnose, diagnose_by_operations),
    "roll back": (roll_back, roll_back_by_operations),
    "set a variable and restart": (set_one, set_one_by_operations),
    "take over a .env file": (take_file, take_file_by_operations),
    "unset a variable": (unset_one, unset_one_by_operations),
    "deploy again and wait": (wait, wait_by_operations),
    f"deploy {PAGES + 1} files": (deploy_many, deploy_many_by_operations),
}
"""Each task in order: with workflows, and with operations alone."""


def expect(held: object) -> None:
    if not held:
        raise RuntimeError("the task was not done")


@asynccontextmanager
async def agent_in(root: Path, name: str) -> AsyncIterator[Agent]:
    """An agent whose server works in a directory of its own."""
    directory = root / name
    directory.mkdir()
    lines = [f"{variable}={value}" for variable, value in ENV_FILE.items()]
    (directory / ".env").write_text("\n".join(lines) + "\n")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "createos_mcp"],
        cwd=directory,
        env={
            **os.environ,
            "CREATEOS_DATA_DIR": str(root / "platform"),
            "CREATEOS_CONFIRM": "proceed",
        },
    )
    async with Client(server) as client:
        yield Agent(client=client, directory=directory, project=name)


async def measure(root: Path) -> dict[str, list[tuple[int, str]]]:
    """Calls and text of each task, both ways."""
    measured: dict[str, list[tuple[int, str]]] = {task: [] for task in TASKS}
    for way, name in enumerate(("with-workflows", "with-operations")):
        async with agent_in(root, name) as agent:
            for task, ways in TASKS.items():
                agent.calls, agent.texts = 0, []
                await ways[way](agent)
                measured[task].append((agent.calls, "\n".join(agent.texts)))
    return measured


def main() -> int:
    """Print both ways side by side; 1 when workflows take more than their share."""
    if not shutil.which("npm"):
        print("npm is needed to count tokens")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        try:
            measured = anyio.run(measure, root)
        finally:
            daemon.stop_platform(PlatformConfig(data_dir=DataDir(root / "platform")))
    counts = iter(count_tokens([text for ways in measured.values() for _, text in ways]))
    totals = [0, 0, 0, 0]
    print(f"{'':42} {'workflows':>16} {'operations alone':>18}")
    print(f"{'':42} {'calls':>7} {'tokens':>8} {'calls':>9} {'tokens':>8}")
    for task, ((few, _), (many, _)) in measured.items():
        row = [few, next(counts), many, next(counts)]
        totals = [total + figure for total, figure in zip(totals, row, strict=True)]
        print(f"{task:42} {row[0]:7} {row[1]:8} {row[2]:9} {row[3]:8}")
    print(f"{'all':42} {totals[0]:7} {totals[1]:8} {totals[2]:9} {totals[3]:8}")
    calls, tokens = totals[0] / totals[2], totals[1] / totals[3]
    print(f"calls {calls:.2f}, tokens {tokens:.2f} of operations alone; goal at most {GOAL}")
    return int(max(calls, tokens) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
