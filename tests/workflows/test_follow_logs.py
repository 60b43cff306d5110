"""FollowLogs, on a real platform through a real client."""

import re
from pathlib import Path

import anyio
import httpx2

from tests.eras import Era, both_eras
from tests.workflows.local_agents import saying, working_in


@both_eras
async def test_lines_are_told_while_they_come_each_of_them_once(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"follow-{era}"
    (tmp_path / "main.py").write_text(saying("here"))
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        url = (await agent.call("Deploy", project_id=name, directory="."))["url"]

        async def visit() -> None:
            await anyio.sleep(1)
            async with httpx2.AsyncClient() as client:
                for number in range(30):
                    await client.get(f"{url}/page-{number}")
                    await anyio.sleep(0.1)

        async with anyio.create_task_group() as visits:
            visits.start_soon(visit)
            followed = await agent.call_with_progress("FollowLogs", project_id=name, seconds=6)
    told = "\n".join(agent.told)
    assert [int(page) for page in re.findall(r"/page-(\d+)", followed["log"])] == [*range(30)]
    assert "/page-29" in told
    assert followed["environment"] == "production"
    assert followed["lines"] >= 30


async def test_without_progress_it_ends_before_clients_give_up(
    data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(saying("here"))
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        await agent.call("Deploy", project_id="follow-short", directory=".")
        with anyio.fail_after(20):
            followed = await agent.call("FollowLogs", project_id="follow-short", seconds=2)
        refused = await agent.refusal("FollowLogs", project_id="follow-short", seconds=601)
    assert followed["seconds"] == 2
    assert "at most 600" in refused
