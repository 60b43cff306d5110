"""What was tried and what was acknowledged, held against what the platform says afterwards."""

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2

from createos_mcp.platform.config import PlatformConfig

FAILED = {"build_error", "crashing", "error"}
UNFINISHED = {"queue", "building", "deploying", "terminating"}
PAGE = 20


class Ledger:
    """Writes by their path: the last that was acknowledged, and those tried since."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._standing: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._written: set[str] = set()
        self.acknowledged = 0

    def made(self, path: str) -> None:
        """A resource exists from now on."""
        self._made.append(path)
        self.acknowledged += 1

    def tried(self, path: str, body: Mapping[str, Any]) -> None:
        """A write was sent: from now on it may be what is stored."""
        self._standing[path].append(body)

    def wrote(self, path: str, body: Mapping[str, Any]) -> None:
        """A write was acknowledged: nothing that was tried before it may be stored any more."""
        tried = self._standing[path]
        self._standing[path] = tried[tried.index(body) :]
        self._written.add(path)
        self.acknowledged += 1

    async def settle(self, config: PlatformConfig, within_s: float) -> list[str]:
        """Wait until nothing changes any more, and return what is not as it must be."""
        from load import client_of  # noqa: PLC0415 - the load tells the ledger, which asks once

        async with client_of(config) as client:
            found = await self._until_quiet(client, within_s)
            for path in self._made:
                answer = await client.get(path)
                if answer.status_code != httpx2.codes.OK:
                    found.append(f"acknowledged and gone: {path} ({answer.status_code})")
            for path in self._written:
                found += await _check(client, path, self._standing[path])
        return found

    def replica_ids(self, root: Path) -> set[str]:
        """Names of the control groups that the platform's replicas had."""
        return {file.name for file in (root / "run").glob("*")}

    async def _until_quiet(self, client: httpx2.AsyncClient, within_s: float) -> list[str]:
        deadline = time.monotonic() + within_s
        while True:
            stuck, unexplained = await _states(client, self._made)
            if not stuck or time.monotonic() > deadline:
                return [*(f"stuck: {line}" for line in stuck), *unexplained]
            await anyio.sleep(0.5)


async def _states(client: httpx2.AsyncClient, paths: list[str]) -> tuple[list[str], list[str]]:
    """Deployments and environments that are still busy, and failures without a reason."""
    stuck, unexplained = [], []
    for path in paths:
        if "/deployments/" in path:
            shown = (await client.get(path)).json()["data"]
            if shown["status"] in UNFINISHED:
                stuck.append(f"{path} is {shown['status']}")
            if shown["status"] in FAILED and not shown["reason"]:
                unexplained.append(f"{path} is {shown['status']} without a reason")
        else:
            listed = (await client.get(f"{path}/environments")).json()["data"]
            busy = [row for row in listed if row["status"] != "active"]
            stuck += [f"environment {row['id']} is {row['status']}" for row in busy]
    return stuck, unexplained


async def _check(
    client: httpx2.AsyncClient, path: str, bodies: list[Mapping[str, Any]]
) -> list[str]:
    """Hold what is stored against the writes that may stand there."""
    project_path = "/".join(path.split("/")[:4])
    project = (await client.get(project_path)).json()["data"]
    if path.endswith("/settings"):
        stored = {"runEnvs": project["settings"].get("runEnvs")}
    elif path.endswith("/environment-variables"):
        listed = (await client.get(f"{project_path}/environments")).json()["data"]
        row = next(row for row in listed if row["id"] in path)
        stored = {"runEnvs": row["settings"]["runEnvs"]}
    else:
        stored = {"displayName": project["displayName"]}
    if stored in bodies:
        return []
    return [f"acknowledged and lost: {path} holds {stored}, not one of {bodies}"]
