"""The main job, start to end: an MCP client deploys two apps over stdio and reads their pages."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

HERE = Path(__file__).parent
PYTHON = f"python:{sys.version_info.major}.{sys.version_info.minor}"
APPS = {
    "hello-node": {"runtime": "node:20", "port": 3000},
    "hello-python": {"runtime": PYTHON, "port": 8000},
}
UNFINISHED = {"queue", "building", "deploying"}
DEADLINE_S = 150
POLL_S = 0.25


class DemoError(Exception):
    """What went wrong, in words for the person who watches."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An MCP client that tells what it does."""

    client: Client

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool, print one line, and return what it answered.

        Raises:
            DemoError: The tool answered with an error.
        """
        answer, line = await self._call(tool, arguments)
        print(line, flush=True)
        return answer

    async def wait(self, project: str) -> dict[str, Any]:
        """Watch the newest deployment until it is finished; print each change of its state."""
        arguments = {"project_id": project, "deployment_id": "latest"}
        status = ""
        with anyio.fail_after(DEADLINE_S):
            while True:
                deployment, line = await self._call("GetDeployment", arguments)
                if deployment["status"] != status:
                    status = deployment["status"]
                    print(f"{line}  {status}", flush=True)
                if status not in UNFINISHED:
                    return deployment
                await anyio.sleep(POLL_S)

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        started = time.monotonic()
        result = await self.client.call_tool(tool, dict(arguments))
        seconds = time.monotonic() - started
        line = f"  {tool:<28} {'error' if result.is_error else 'ok':<6} {seconds:6.2f} s"
        if result.is_error:
            texts = (part.text for part in result.content if isinstance(part, TextContent))
            raise DemoError("\n".join((line, *texts)))
        return result.structured_content or {}, line


def read_files(directory: Path) -> list[dict[str, str]]:
    """The text files of an app, as UploadDeploymentFiles takes them."""
    return [
        {"path": file.relative_to(directory).as_posix(), "content": file.read_text()}
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    ]


async def deploy(agent: Agent, name: str, settings: Mapping[str, Any]) -> str:
    """Create the project unless it is there, upload the app, and return its address once live."""
    print(f"\n{name}", flush=True)
    check = await agent.call("CheckProjectUniqueName", {"uniqueName": name})
    if check["isAvailable"]:
        project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
        await agent.call("CreateProject", {**project, "settings": dict(settings)})
    files = read_files(HERE / name)
    await agent.call("UploadDeploymentFiles", {"project_id": name, "files": files})
    deployment = await agent.wait(name)
    if deployment["status"] != "deployed":
        logs = {"project_id": name, "deployment_id": "latest"}
        print((await agent.call("GetBuildLogs", logs))["log"])
        raise DemoError(f"{name} is {deployment['status']}: {deployment.get('reason')}")
    environments = await agent.call("ListProjectEnvironments", {"project_id": name})
    address: str = environments["items"][0]["extra"]["endpoint"]
    return address


async def read_page(address: str) -> str:
    """What the app answers at its address."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(address)
    return f"HTTP {answer.status_code}: {answer.text.strip()[:200]}"


async def main() -> None:
    """Deploy both apps, print their addresses and pages; exit with 1 unless both answered."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "createos_mcp"])
    pages = {}
    failure = ""
    async with Client(server) as client:
        print(f"Connected over stdio, protocol {client.protocol_version}")
        agent = Agent(client=client)
        try:
            for name, settings in APPS.items():
                address = await deploy(agent, name, settings)
                pages[address] = await read_page(address)
        except DemoError as error:
            failure = str(error)
    print()
    for address, page in pages.items():
        print(f"{address}\n  {page}")
    print(json.dumps({"answered": len(pages), "of": len(APPS)}))
    print("\nThe platform goes on running. `.venv/bin/createos-mcp platform status` shows its apps,")
    print("`.venv/bin/createos-mcp platform stop` stops it and its apps.")
    if failure or not all(page.startswith("HTTP 200") for page in pages.values()):
        sys.exit(failure or 1)


if __name__ == "__main__":
    anyio.run(main)
