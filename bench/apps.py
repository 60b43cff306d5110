"""Deploys directories with a name and nothing else, and tells which go live.

python bench/apps.py examples/*
python bench/apps.py --json --goal 95 ../railpack/examples/node-* > report.json
python bench/apps.py --services postgres --set ALLOWED_HOSTS=* ../realworld-django-ninja
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

DEADLINE_S = 600
PAGE_CHARACTERS = 60
ENDED_WELL = "The app exited with code 0 "


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one directory."""

    directory: str
    live: bool
    """Whether its page answers, or it runs as a worker, or ran to its end where that is meant."""
    seconds: float
    page: str
    """Status and beginning of what `/` answered; `worker` for an app without an address."""
    cause: str
    """Why it is not live."""


@asynccontextmanager
async def connected(data_dir: Path, roots: Sequence[Path]) -> AsyncIterator[Client]:
    """A client of a server with a platform of its own, stopped at the end."""
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")},
        "CREATEOS_DATA_DIR": str(data_dir),
        "CREATEOS_CONFIRM": "proceed",
        "CREATEOS_DEPLOY_ROOTS": os.pathsep.join(map(str, roots)),
    }
    server = StdioServerParameters(command=sys.executable, args=["-m", "createos_mcp"], env=environ)
    try:
        async with Client(server, read_timeout_seconds=DEADLINE_S + 60) as client:
            yield client
    finally:
        stop = [sys.executable, "-m", "createos_mcp", "platform", "stop"]
        await anyio.run_process(stop, env=environ)


async def deploy(
    client: Client, directory: Path, number: int, given: Mapping[str, object]
) -> Outcome:
    """Deploy one directory as a new project, read its page, and delete the project."""
    name = f"{re.sub('[^a-z0-9]+', '-', directory.name.lower())[:24].strip('-')}-{number}"
    started = time.perf_counter()
    result = await client.call_tool(
        "Deploy",
        {
            "project_id": name,
            "directory": str(directory),
            "timeoutSeconds": DEADLINE_S,
            **given,
        },
    )
    seconds = round(time.perf_counter() - started, 1)
    verdict = result.structured_content or {}
    page, cause = "", ""
    if is_program(directory) and ENDED_WELL in str(verdict.get("log")):
        page = "ran and ended, as it is meant to"
    elif result.is_error or not verdict.get("live"):
        said = " ".join(part.text for part in result.content if isinstance(part, TextContent))
        cause = " ".join(str(verdict.get("cause") or said).split())[:300]
    elif verdict.get("worker"):
        page = "worker"
    else:
        page = await read_page(verdict["url"])
    await client.call_tool("DeleteProject", {"project_id": name})
    return Outcome(
        directory=directory.name,
        live=bool(page) and not page.startswith("5"),
        seconds=seconds,
        page=page,
        cause=cause,
    )


def is_program(directory: Path) -> bool:
    """Whether an example of Railpack or Nixpacks is a program that prints and ends."""
    file = directory / "test.json"
    return file.is_file() and '"expectedOutput"' in file.read_text()


async def read_page(url: str) -> str:
    """Status and beginning of a page."""
    async with httpx2.AsyncClient(follow_redirects=True, timeout=30) as client:
        try:
            answer = await client.get(url)
        except httpx2.HTTPError as error:
            return f"599 {error!r}"
    return f"{answer.status_code} {' '.join(answer.text.split())[:PAGE_CHARACTERS]}"


async def measure(
    directories: Sequence[Path], given: Mapping[str, object], *, quiet: bool
) -> list[Outcome]:
    """Deploy one after the other.

    Args:
        directories: Of the apps.
        given: What `Deploy` is told besides, `{"services": ["postgres"]}`.
        quiet: Whether nothing is printed meanwhile.
    """
    outcomes = []
    roots = sorted({directory.parent for directory in directories})
    with tempfile.TemporaryDirectory() as data_dir:
        async with connected(Path(data_dir), roots) as client:
            for number, directory in enumerate(directories):
                outcome = await deploy(client, directory, number, given)
                outcomes.append(outcome)
                if not quiet:
                    print(row(outcome), flush=True)
    return outcomes


def row(outcome: Outcome) -> str:
    """One line of the report."""
    state = "live" if outcome.live else "NOT LIVE"
    shown = outcome.page or outcome.cause
    return f"{outcome.directory:32} {state:9} {outcome.seconds:6.1f} s  {shown}"


def main() -> int:
    """Print what went live and why the rest did not; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--goal", type=float, default=100, help="percent that have to go live")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--services", default="", help="bound to each app: postgres,valkey")
    parser.add_argument("--set", action="append", default=[], help="a variable: NAME=value")
    given = parser.parse_args()
    told: dict[str, object] = {}
    if given.services:
        told["services"] = given.services.split(",")
    if given.set:
        told["settings"] = {"runEnvs": dict(one.split("=", 1) for one in given.set)}
    directories = [d.resolve() for d in given.directories if d.is_dir() and d.name[0] not in "._"]
    outcomes = anyio.run(lambda: measure(directories, told, quiet=given.json))
    share = 100 * sum(outcome.live for outcome in outcomes) / max(1, len(outcomes))
    if given.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    verdict = "met" if share >= given.goal else "MISSED"
    summary = f"{share:.0f} % of {len(outcomes)} are live; goal {given.goal:g} %: {verdict}"
    print(summary, file=sys.stderr if given.json else sys.stdout)
    return 0 if share >= given.goal else 1


if __name__ == "__main__":
    sys.exit(main())
