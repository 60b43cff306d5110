"""A platform that is killed while it is cloned from, bought from and scanned: nothing twice."""

import os
import random
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import psutil
import pytest
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.marketplace import add_credits, review
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.users import add_user
from tests.eventually import eventually
from tests.platform.git.working_copies import PAGE, WorkingCopy, vcs_project
from tests.platform.platforms import NO_ENGINE, OWN_PORTS, Api
from tests.platform.template_drafts import ROOT, draft

pytestmark = pytest.mark.examples

KILLS = int(os.environ.get("GIT_KILLS", "8"))
"""50 were tried."""

CENTS = 7
ENOUGH = 100_00
ENDED = {"success", "failed"}


class Users:
    """Clone, buy and scan without a pause, and keep what was acknowledged."""

    def __init__(self, address: daemon.Address, buyer_key: str) -> None:
        self._address = address
        self._buyer_key = buyer_key
        self.clones = 0
        self.bought: list[str] = []
        self.scans = 0

    async def clone(self, copy: WorkingCopy, into: Path, newest: str) -> None:
        number = 0
        while True:
            number += 1
            target = into / str(number)
            if (await copy.clone(target)).ok:
                said = await to_thread.run_sync(_git, target, "rev-parse", "HEAD")
                assert said.strip() == newest
                await to_thread.run_sync(_git, target, "fsck", "--strict")
                self.clones += 1
            await anyio.sleep(0.05)

    async def buy(self, templates: list[str]) -> None:
        for template_id in templates:
            for _ in range(200):
                told = await self._ask(self._buyer_key, f"{ROOT}/{template_id}/buy")
                if told is not None and told.status_code == 200:
                    self.bought.append(template_id)
                # 422: the one before was made, and its answer lost.
                if told is not None and told.status_code in {200, 422}:
                    break
                await anyio.sleep(0.05)
            await anyio.sleep(0.02)

    async def scan(self, path: str) -> None:
        while True:
            told = await self._ask(self._address.api_key, f"{path}/trigger")
            self.scans += told is not None and told.status_code == 200
            await anyio.sleep(0.2)

    async def _ask(self, key: str, path: str) -> httpx2.Response | None:
        try:
            async with httpx2.AsyncClient(
                base_url=self._address.api_url, headers={"X-Api-Key": key}, timeout=20
            ) as client:
                return await client.post(path)
        except httpx2.HTTPError:
            return None


async def test_what_was_cloned_bought_and_scanned_around_kills_is_whole(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "data")
    config = PlatformConfig(data_dir=data_dir, docker_host=NO_ENGINE, app_ports=OWN_PORTS)
    chance = random.Random(3)  # noqa: S311 - a seed makes a run repeatable
    address = await _start(config)
    try:
        async with _client(address, address.api_key) as api:
            project_id = await vcs_project(api, "cloned")
            remote = f"{address.api_url}/git/local/cloned.git"
            copy = WorkingCopy(tmp_path / "copy", remote, address.api_key)
            pages = {f"{n}.html": PAGE.format(n) * 500 for n in range(200)}
            newest = copy.commit({"index.html": PAGE.format(0), **pages})
            assert (await copy.push("main")).ok
            rows = await eventually(
                lambda: api.get(f"/v1/projects/{project_id}/deployments"),
                lambda page: bool(page["data"]) and page["data"][0]["status"] == "deployed",
            )
            scans = f"/v1/projects/{project_id}/deployments/{rows['data'][0]['id']}/security-scans"
            change = {"displayName": "cloned", "enabledSecurityScan": True}
            assert (await api.request("PUT", f"/v1/projects/{project_id}", json=change))[0] == 200
            templates = await _offer(api, data_dir, project_id, 5 * KILLS)
        _, buyer = await add_user(data_dir, "alice")
        await add_credits(data_dir, "alice", ENOUGH / 100)
        users = Users(address, buyer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(users.clone, copy, tmp_path, newest)
            tasks.start_soon(users.buy, templates)
            tasks.start_soon(users.scan, scans)
            for _ in range(KILLS):
                await anyio.sleep(chance.uniform(0.1, 1.2))
                state = daemon.find_running(data_dir)
                if state is not None:
                    psutil.Process(state.pid).kill()
                await _start(config)
            before = users.clones
            with anyio.fail_after(60):
                while users.clones == before or not users.scans:
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        async with _client(address, buyer) as alice:
            kept = await _purchases(alice)
        assert len(kept) == len(set(kept))
        assert {*users.bought} <= {*kept}
        assert await add_credits(data_dir, "alice", 0) == ENOUGH - CENTS * len(kept)
        assert await add_credits(data_dir, "local", 0) == CENTS * len(kept)
        async with _client(address, address.api_key) as api:
            scan = await eventually(
                lambda: api.get(scans), lambda row: row["status"] in ENDED, within_s=120
            )
        assert scan["status"] == "success", scan["failedReason"]
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)
    assert users.bought
    assert not [*data_dir.runs.glob("scan-*")]


async def _purchases(api: Api) -> list[str]:
    found: list[str] = []
    while True:
        rows = (await api.get(f"{ROOT}/purchases?limit=50&offset={len(found)}"))["purchases"]
        if not rows:
            return found
        found += (row["projectTemplateId"] for row in rows)


async def _offer(api: Api, data_dir: DataDir, project_id: str, count: int) -> list[str]:
    environment = await api.environment(project_id)
    made = []
    for number in range(count):
        changes: Mapping[str, Json] = {"name": f"A page, number {number}", "amount": CENTS / 100}
        body = draft(project_id, environment["id"], **changes)
        status, row = await api.request("POST", ROOT, json=body)
        assert status == 201, row
        assert (await api.request("PUT", f"{ROOT}/{row['id']}/send-for-review"))[0] == 200
        await review(data_dir, row["id"], None)
        made.append(str(row["id"]))
    return made


def _git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, capture_output=True, check=True, text=True)
    return done.stdout


async def _start(config: PlatformConfig) -> daemon.Address:
    return await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))


@asynccontextmanager
async def _client(address: daemon.Address, key: str) -> AsyncIterator[Api]:
    """A client of a platform that runs in a process of its own."""
    async with httpx2.AsyncClient(
        base_url=address.api_url, headers={"X-Api-Key": key}, timeout=60
    ) as http:
        yield Api(client=http, data_dir=Path(), gateway_port=0)
