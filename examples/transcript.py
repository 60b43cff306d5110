"""Records docs/transcript.md: what three first prompts come to, by an MCP client that runs them.

Everything in it was answered by the server and the local platform; ids, ports and times are
replaced, so that two recordings differ only where something has changed. `--check` records again
and compares the order of calls, their outcome and the members of each answer.
"""

import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
from demo import HERE, POLL_S, UNFINISHED, read_files
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

Json: TypeAlias = Any

RECORD = HERE.parent / "docs" / "transcript.md"
APP = "hello-node"
DEADLINE_S = 240
SHOWN_CHARACTERS = 900

BROKEN = '{"name": "hello-node", "scripts": {"build": "tsc --version-that-is-not-there"}}'
"""A package.json whose build fails, for the second prompt."""

HEAD = """\
# Three first prompts

Recorded by `examples/transcript.py`, which makes these calls through an MCP client over stdio to
the local platform. Ids, ports and times are replaced; long answers are cut.
"""

_REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<id>"),
    (re.compile(r"dep-[0-9a-f-]+"), "dep-<id>"),
    (re.compile(r"\b\d+\.\d+\.\d+\b(?!\.)"), "<version>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|\+00:00)"), "<time>"),
    (re.compile(r"((?:127\.0\.0\.1|localhost):)\d+"), r"\1<port>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?m?s\b"), "<duration>"),
    (re.compile(r"(?:/[\w.-]+)+/(?:releases|sources|toolchains)\b[\w./<>-]*"), "<path>"),
)


class Recorder:
    """A client that writes down what it is asked, what it calls and what comes back."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.lines: list[str] = [HEAD]

    def prompt(self, text: str) -> None:
        """Begin the part of one prompt."""
        self.lines.append(f"\n## “{text}”\n")

    def say(self, text: str) -> None:
        """What an agent would tell its user."""
        self.lines.append(f"\n{normalise(text)}\n")

    async def call(self, tool: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Make a call and write it down."""
        answer = await self._call(tool, arguments)
        shown = json.dumps(_shorten(dict(arguments)))
        data = answer.get("log") or json.dumps(answer, indent=2)
        self.lines.append(f"\n**{tool}** `{normalise(shown)}`\n")
        self.lines.append(f"\n```\n{_cut(normalise(data))}\n```\n")
        return answer

    async def wait(self, project: str) -> dict[str, Json]:
        """Watch the newest deployment until it is finished, and write the last answer down."""
        arguments = {"project_id": project, "deployment_id": "latest"}
        with anyio.fail_after(DEADLINE_S):
            while (await self._call("GetDeployment", arguments))["status"] in UNFINISHED:
                await anyio.sleep(POLL_S)
        return await self.call("GetDeployment", arguments)

    async def _call(self, tool: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        result = await self._client.call_tool(tool, dict(arguments))
        text = "".join(part.text for part in result.content if isinstance(part, TextContent))
        if result.is_error:
            sys.exit(f"{tool}: {text}")
        return result.structured_content or {}


def normalise(text: str) -> str:
    """The text without what differs from one recording to the next."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


def shape(record: str) -> list[str]:
    """What two recordings have in common: prompts, calls, and the members of answers."""
    members = re.compile(r'^\s*"(\w+)":')
    kept = []
    for line in record.splitlines():
        found = members.match(line)
        if line.startswith(("## ", "**")):
            kept.append(line)
        elif found:
            kept.append(found[1])
    return kept


async def deploy(recorder: Recorder) -> None:
    """The first prompt: files become an address that answers."""
    recorder.prompt("Deploy the app in this folder and give me its address.")
    project = {
        "uniqueName": APP,
        "displayName": "Hello Node",
        "type": "upload",
        "source": {},
        "settings": {"runtime": "node:20", "port": 3000},
    }
    await recorder.call("CreateProject", project)
    files = read_files(HERE / APP)
    await recorder.call("UploadDeploymentFiles", {"project_id": APP, "files": files})
    deployment = await recorder.wait(APP)
    address = deployment["extra"]["endpoint"]
    recorder.say(f"It is at {address}, which answers {await read_page(address)}.")


async def read_page(address: str) -> str:
    """What an address answers, in one line."""
    async with httpx2.AsyncClient() as http:
        page = await http.get(address)
    return f"`HTTP {page.status_code}: {page.text.strip()[:120]}`"


async def explain_failure(recorder: Recorder) -> None:
    """The second prompt: a deployment that does not build, and its log."""
    files = [{"path": "package.json", "content": BROKEN}, *read_files(HERE / APP)[:1]]
    broken = {"project_id": APP, "files": files}
    recorder.prompt("I changed the build. Deploy it again; if it fails, tell me why.")
    await recorder.call("UploadDeploymentFiles", broken)
    deployment = await recorder.wait(APP)
    log = await recorder.call("GetBuildLogs", {"project_id": APP, "deployment_id": "latest"})
    cause = next(line for line in log["log"].splitlines() if "not found" in line)
    environments = await recorder.call("ListProjectEnvironments", {"project_id": APP})
    address = environments["items"][0]["extra"]["endpoint"]
    recorder.say(
        f"It is `{deployment['status']}`: `{cause}`. The version before goes on: "
        f"{address} answers {await read_page(address)}."
    )


async def list_running(recorder: Recorder) -> None:
    """The third prompt: what runs, and where."""
    recorder.prompt("Which of my projects are running, and at which addresses?")
    projects = await recorder.call("ListProjects", {"limit": 10})
    for project in projects["items"]:
        name = {"project_id": project["uniqueName"]}
        environments = await recorder.call("ListProjectEnvironments", name)
        for environment in environments["items"]:
            address = environment["extra"]["endpoint"]
            recorder.say(f"`{project['uniqueName']}` answers at {address}.")


async def record() -> str:
    """Run the three prompts on a platform of their own, and return what was written down."""
    async with _client() as client:
        recorder = Recorder(client)
        for prompt in (deploy, explain_failure, list_running):
            await prompt(recorder)
    return re.sub(r"\n{3,}", "\n\n", "".join(recorder.lines))


@asynccontextmanager
async def _client() -> AsyncIterator[Client]:
    """A client of a server of its own, whose platform and files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="createos-transcript-") as directory:
        environ = {"CREATEOS_DATA_DIR": directory, "CREATEOS_RESULT_BUDGET_BYTES": "20000"}
        command = [sys.executable, "-m", "createos_mcp"]
        server = StdioServerParameters(command=command[0], args=command[1:], env=environ)
        try:
            async with Client(server) as client:
                yield client
        finally:
            stop = [*command, "platform", "stop", "--data-dir", directory]
            await anyio.run_process(stop, check=False)


def _shorten(arguments: dict[str, Json]) -> dict[str, Json]:
    """The arguments without the content of files."""
    files = arguments.get("files")
    return {**arguments, "files": [file["path"] for file in files]} if files else arguments


def _cut(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    return text if len(text) <= limit else f"{text[:limit].rpartition(chr(10))[0]}\n…"


def main() -> int:
    """Record, or compare with the recording that is there; 1 when their shapes differ."""
    recorded = anyio.run(record)
    if "--check" not in sys.argv[1:]:
        RECORD.write_text(recorded)
        return 0
    if shape(recorded) == shape(RECORD.read_text()):
        return 0
    sys.stdout.write("docs/transcript.md is out of date: run examples/transcript.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
