"""Cold and warm builds of six kinds of apps, against the same commands by hand.

Cold is the first build with empty caches, its toolchain apart; warm the next one of the same files,
after the pause in which somebody would change them. By hand the caches of the package managers are
warm, too, and the directory is a new copy.

Other examples may be named. A build here has a fixed cost, its sandbox and its way through the API:
`go` and `rust`, which have no dependencies and are built in half a second, show it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import uv
from apps import connected
from mcp import Client

EXAMPLES = Path(__file__).parent.parent / "examples"
KINDS = ("nextjs", "react-vite", "astro", "django", "gin", "axum")
GOAL = 1.3
DEADLINE_S = 600
POLL_S = 0.02
PAUSE_S = 10
BUILDING = {"queue", "building"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Seconds of one kind: here and by hand, first and second time."""

    kind: str
    here: tuple[float, float]
    hand: tuple[float, float]

    @property
    def ratio(self) -> float:
        """The second build here against the second by hand."""
        return self.here[1] / self.hand[1]


async def build_here(client: Client, project: str, directory: Path) -> tuple[float, list[str]]:
    """Seconds until a deployment is built, and the commands that it ran."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    files = [
        {"path": path.relative_to(directory).as_posix(), "content": path.read_text()}
        for path in paths
    ]
    started = time.perf_counter()
    uploaded = await call(client, "UploadDeploymentFiles", project_id=project, files=files)
    place = {"project_id": project, "deployment_id": uploaded["id"]}
    await until_past(client, place, BUILDING)
    seconds = time.perf_counter() - started
    log = (await call(client, "GetBuildLogs", **place))["log"]
    commands = re.findall(r"^(?:install|build) \| \$ (.+)$", log, re.MULTILINE)
    await until_past(client, place, {*BUILDING, "deploying"})
    return seconds, commands


async def until_past(client: Client, place: Mapping[str, str], states: Collection[str]) -> None:
    """Return once a deployment has left some states."""
    with anyio.fail_after(DEADLINE_S):
        while True:
            if (await call(client, "GetDeployment", **place))["status"] not in states:
                return
            await anyio.sleep(POLL_S)


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """What a tool answers."""
    return (await client.call_tool(tool, arguments)).structured_content or {}


def build_by_hand(directory: Path, commands: Sequence[str], caches: Path) -> float:
    """Seconds of the same commands in a new copy of a directory."""
    with tempfile.TemporaryDirectory() as root:
        copy = Path(root, "app")
        shutil.copytree(directory, copy)
        own = {
            "npm_config_cache": "npm",
            "UV_CACHE_DIR": "uv",
            "GOCACHE": "go",
            "GOMODCACHE": "mod",
            "CARGO_HOME": "cargo",
        }
        environ = {
            **os.environ,
            **{name: str(caches / place) for name, place in own.items()},
            "PATH": f"{Path(uv.find_uv_bin()).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(copy / ".venv"),
            "CI": "1",
            "GOFLAGS": "-modcacherw",
        }
        started = time.perf_counter()
        if any(command.startswith("uv ") for command in commands):
            run(["uv", "venv", "--quiet", "--python", sys.executable, ".venv"], copy, environ)
        for command in commands:
            run(["/bin/sh", "-c", command], copy, environ)
        return time.perf_counter() - started


def run(command: Sequence[str], directory: Path, environ: dict[str, str]) -> None:
    """Run one command to its end."""
    subprocess.run(command, cwd=directory, env=environ, check=True, capture_output=True)


async def measure(kinds: Sequence[str]) -> list[Measured]:
    """Both ways, twice each, one kind after the other."""
    measured = []
    with tempfile.TemporaryDirectory() as root:
        async with connected(Path(root, "data"), [EXAMPLES]) as client:
            for kind in kinds:
                project = f"bench-{kind}"
                names = {"uniqueName": project, "displayName": project, "type": "upload"}
                await call(client, "CreateProject", **names, settings={"useBuildAI": True})
                first, commands = await build_here(client, project, EXAMPLES / kind)
                await anyio.sleep(PAUSE_S)
                second, _ = await build_here(client, project, EXAMPLES / kind)
                caches = Path(root, "caches", kind)
                hand = [build_by_hand(EXAMPLES / kind, commands, caches) for _ in range(2)]
                row = Measured(kind=kind, here=(first, second), hand=(hand[0], hand[1]))
                print(shown(row), flush=True)
                measured.append(row)
    return measured


def shown(row: Measured) -> str:
    """One line of the report."""
    times = "".join(f"{seconds:9.2f}" for seconds in (*row.here, *row.hand))
    verdict = "met" if row.ratio <= GOAL else "MISSED"
    return f"{row.kind:12}{times}{row.ratio:9.2f}  {verdict}"


def main() -> int:
    """Print seconds and ratios; 1 when a warm build takes more than the goal allows."""
    header = ("cold", "warm", "by hand", "again", "ratio")
    print(f"{'':12}{''.join(f'{name:>9}' for name in header)}  goal at most {GOAL}")
    measured = anyio.run(measure, sys.argv[1:] or list(KINDS))
    return 0 if all(row.ratio <= GOAL for row in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
