"""Records docs/transcript.md: three first prompts and the calls of the agent that runs them.

Every answer comes from the server and the local platform. IDs, ports and times are replaced, so
that two recordings differ only where something has changed. `--check` records again and compares
the calls, their outcome and the members of each answer.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
from demo import HERE
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

Json: TypeAlias = Any

RECORD = HERE.parent / "docs" / "transcript.md"
APP = "hello-node"
DEADLINE_S = 240
SHOWN_CHARACTERS = 1_400

BROKEN = '{"name": "hello-node", "scripts": {"build": "tsc --version-that-is-not-there"}}'
"""A package.json whose build fails, for the second prompt."""

HEAD = """\
# Recorded session

Recorded by `examples/transcript.py`: an MCP client over stdio makes these calls, and the local
platform answers. IDs, ports and times are replaced; long answers are cut.
"""

WORKFLOWS = ("Deploy",)
"""What the prompts of README.md are answered with; a recording without one is out of date."""

_MASKED_ADDRESS = "127.<"
"""What a rule of `_REPLACED` would leave of an address that it took for something else."""

_REPLACED = (
    (re.compile(r"untrusted [0-9a-f]+"), "untrusted <mark>"),
    (re.compile(r"/[\w./-]+/createos-transcript-\w+/"), "/home/me/"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<id>"),
    (re.compile(r"dep-[0-9a-f-]+"), "dep-<id>"),
    (re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])"), "<version>"),
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
        data = json.dumps(answer, indent=2, ensure_ascii=False)
        self.lines.append(f"\n**{tool}** `{normalise(shown)}`\n")
        self.lines.append(f"\n```\n{_cut(normalise(data))}\n```\n")
        return answer

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


async def deploy(recorder: Recorder, _: Path) -> None:
    """The first prompt: a directory becomes an address that was requested."""
    recorder.prompt("Deploy the app in this folder and give me its address.")
    answer = await recorder.call("Deploy", {"project_id": APP, "directory": "."})
    recorder.say(f"It is at {answer['url']}, which answers {await read_page(answer['url'])}.")


async def read_page(address: str) -> str:
    """What an address answers, in one line."""
    async with httpx2.AsyncClient() as http:
        page = await http.get(address)
    return f"`HTTP {page.status_code}: {page.text.strip()[:120]}`"


async def explain_failure(recorder: Recorder, directory: Path) -> None:
    """The second prompt: a version that does not build, and why."""
    recorder.prompt("I changed the build. Deploy it again; if it fails, tell me why.")
    (directory / "package.json").write_text(BROKEN)
    answer = await recorder.call("Deploy", {"project_id": APP, "directory": "."})
    recorder.say(f"It is not live: {answer['cause']}. {answer['next']}")


async def list_running(recorder: Recorder, _: Path) -> None:
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
    with tempfile.TemporaryDirectory(prefix="createos-transcript-") as temporary:
        app = Path(temporary) / APP
        shutil.copytree(HERE / APP, app)
        async with _client(app, Path(temporary) / "data") as client:
            recorder = Recorder(client)
            for prompt in (deploy, explain_failure, list_running):
                await prompt(recorder, app)
    return re.sub(r"\n{3,}", "\n\n", "".join(recorder.lines))


@asynccontextmanager
async def _client(directory: Path, data_dir: Path) -> AsyncIterator[Client]:
    """A client whose server works in a directory; its platform is stopped afterwards."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CREATEOS_")},
        "CREATEOS_DATA_DIR": str(data_dir),
    }
    command = [sys.executable, "-m", "createos_mcp"]
    server = StdioServerParameters(
        command=command[0], args=command[1:], env=environ, cwd=directory
    )
    try:
        async with Client(server, read_timeout_seconds=DEADLINE_S) as client:
            yield client
    finally:
        await anyio.run_process([*command, "platform", "stop"], env=environ, check=False)


def _shorten(arguments: dict[str, Json]) -> dict[str, Json]:
    """The arguments without the content of files."""
    files = arguments.get("files")
    return {**arguments, "files": [file["path"] for file in files]} if files else arguments


def _cut(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    return text if len(text) <= limit else f"{text[:limit].rpartition(chr(10))[0]}\n…"


def main() -> int:
    """Record, or compare with the recording that is there; 1 when their shapes differ."""
    recorded = anyio.run(record)
    if _MASKED_ADDRESS in recorded:
        sys.stdout.write(f"an address was replaced in part: {_MASKED_ADDRESS}\n")
        return 1
    missing = [name for name in WORKFLOWS if f"**{name}**" not in recorded]
    if missing:
        sys.stdout.write(f"no call of {', '.join(missing)} was recorded\n")
        return 1
    if "--check" not in sys.argv[1:]:
        RECORD.write_text(recorded)
        return 0
    if shape(recorded) == shape(RECORD.read_text()):
        return 0
    sys.stdout.write("docs/transcript.md is out of date: run examples/transcript.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
