"""A platform that is killed while commits are pushed: each is built once, and none is lost."""

import os
import random
from pathlib import Path

import anyio
import httpx2
import psutil
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.git.working_copies import PAGE, WorkingCopy, vcs_project
from tests.platform.platforms import NO_ENGINE, Api, read_page

KILLS = int(os.environ.get("GIT_KILLS", "5"))
"""50 were tried."""


async def test_what_was_pushed_around_kills_is_built_once_and_the_newest_serves(
    tmp_path: Path,
) -> None:
    config = PlatformConfig(data_dir=DataDir(tmp_path / "data"), docker_host=NO_ENGINE)
    chance = random.Random(1)  # noqa: S311 - a seed makes a run repeatable
    address = await to_thread.run_sync(daemon.ensure_running, config, {})
    key = address.api_key
    try:
        async with httpx2.AsyncClient(
            base_url=address.api_url, headers={"X-Api-Key": key}, timeout=60
        ) as client:
            api = Api(client=client, data_dir=tmp_path / "data", gateway_port=0)
            project_id = await vcs_project(api, "killed")
            remote = f"{address.api_url}/git/local/killed.git"
            copy = WorkingCopy(tmp_path / "copy", remote, key)
            for number in range(KILLS):
                copy.commit({"index.html": PAGE.format(number)})
                push = copy.start_push("main")
                await anyio.sleep(chance.uniform(0.05, 0.4))
                state = daemon.find_running(config.data_dir)
                if state is not None:
                    psutil.Process(state.pid).kill()
                await to_thread.run_sync(push.wait, 60)
                await to_thread.run_sync(daemon.ensure_running, config, {})
            assert (await copy.push("main")).ok
            path = f"/v1/projects/{project_id}"
            await eventually(
                lambda: api.get(f"{path}/deployments"),
                lambda page: bool(page["data"]) and page["data"][0]["status"] == "deployed",
            )
            commits = await _commits(api, f"{path}/deployments?limit=20")
            assert len(commits) == len(set(commits)), "a commit was built twice"
            assert commits[0] == copy.git("rev-parse", "HEAD").strip()
            environment = await api.environment(project_id)
            page = await read_page(environment["extra"]["endpoint"])
            assert page == PAGE.format(KILLS - 1)
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)


async def _commits(api: Api, path: str) -> list[str]:
    """What every deployment was built from, the newest first."""
    found: list[str] = []
    while True:
        rows = (await api.get(f"{path}&offset={len(found)}"))["data"]
        if not rows:
            return found
        found += (row["source"]["commit"] for row in rows)
