from pathlib import Path

import anyio
import httpx2

from tests.eventually import eventually
from tests.platform.api.environments import WHO, add, assign
from tests.platform.platforms import ANSWERING, processes_of, read_page, running_platform


async def test_an_idle_app_gives_its_memory_back_and_answers_the_next_request(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, sleep_after_s=0.5) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]

        asleep = await api.wait(project_id, deployment["id"], "sleeping")

        assert "No request" in asleep["reason"]
        assert processes_of(tmp_path) == []
        assert await read_page(address) == "hello"
        await api.wait(project_id, deployment["id"], "deployed")


async def test_all_requests_that_meet_a_sleeping_app_are_answered_by_one_wake(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, sleep_after_s=0.5) as api:
        deployment = await api.deploy({"main.py": WHO})
        project_id = deployment["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        await api.wait(project_id, deployment["id"], "sleeping")
        pages: list[str] = []

        async def visit() -> None:
            pages.append(await read_page(address))

        async with anyio.create_task_group() as visits:
            for _ in range(20):
                visits.start_soon(visit)

    assert len(pages) == 20
    assert len(set(pages)) == 1


async def test_an_app_that_is_asked_stays_awake(tmp_path: Path) -> None:
    async with running_platform(tmp_path, sleep_after_s=1.0) as api:
        deployment = await api.deploy({"main.py": WHO})
        address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
        pages = set()
        with anyio.move_on_after(4):
            while True:
                pages.add(await read_page(address))
                await anyio.sleep(0.2)
    assert len(pages) == 1


async def test_waking_is_for_sleeping_deployments_and_starts_one_at_its_own_address(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING}, runEnvs={"GREETING": "one"})
        project_id = first["projectId"]
        path = f"/v1/projects/{project_id}/deployments/{first['id']}/wakeup"
        status, message = await api.request("POST", path)
        assert (status, "deployed" in message) == (422, True)
        second = ANSWERING.replace('"hello"', '"two"').replace("GREETING", "NO_GREETING")
        await api.wait(project_id, await api.upload(project_id, {"main.py": second}), "deployed")
        await api.wait(project_id, first["id"], "sleeping")

        assert (await api.request("POST", path))[0] == 200

        woken = await api.wait(project_id, first["id"], "deployed")
        assert await read_page(woken["extra"]["endpoint"]) == "one"
        environment = await api.environment(project_id)
        assert await read_page(environment["extra"]["endpoint"]) == "two"


async def test_the_longest_running_deployment_makes_room_at_the_limit(tmp_path: Path) -> None:
    async with running_platform(tmp_path, max_deployed=1) as api:
        first = await api.deploy({"main.py": ANSWERING}, name="app-one")
        second = await api.deploy({"main.py": ANSWERING}, name="app-two")
        asleep = await api.wait(first["projectId"], first["id"], "sleeping")
        assert "limit" in asleep["reason"]
        address = (await api.environment(first["projectId"]))["extra"]["endpoint"]
        assert await read_page(address) == "hello"
        await api.wait(second["projectId"], second["id"], "sleeping")
        await api.wait(first["projectId"], first["id"], "deployed")


async def test_what_sleeps_still_sleeps_after_a_restart_and_wakes(tmp_path: Path) -> None:
    async with running_platform(tmp_path, sleep_after_s=0.5) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        await api.wait(project_id, deployment["id"], "sleeping")
    async with running_platform(tmp_path) as api:
        assert processes_of(tmp_path) == []
        address = (await api.environment(project_id))["extra"]["endpoint"]
        assert await read_page(address) == "hello"


async def test_an_app_that_does_not_wake_says_why_and_is_tried_again(tmp_path: Path) -> None:
    once = (
        f"import os\nassert not os.path.exists('ran'), 'only once'\nopen('ran', 'w')\n{ANSWERING}"
    )
    async with running_platform(tmp_path, sleep_after_s=0.5) as api:
        deployment = await api.deploy({"main.py": once})
        project_id, deployment_id = deployment["projectId"], deployment["id"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        await api.wait(project_id, deployment_id, "sleeping")
        async with httpx2.AsyncClient(timeout=60) as client:
            answer = await client.get(address)
        assert (answer.status_code, "exited with code 1" in answer.text) == (503, True)
        assert (await api.wait(project_id, deployment_id, "crashing"))["status"] == "crashing"
        (tmp_path / "releases" / deployment_id / "app" / "ran").unlink()
        await api.wait(project_id, deployment_id, "deployed")
        assert await read_page(address) == "hello"


async def test_two_environments_of_one_deployment_sleep_each_for_itself(tmp_path: Path) -> None:
    async with running_platform(tmp_path, sleep_after_s=1.0) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        staging = await assign(api, project_id, await add(api, project_id), deployment["id"])

        async def running() -> dict[str, int]:
            rows = await api.get(f"/v1/projects/{project_id}/environments")
            return {row["uniqueName"]: row["extra"]["runningReplicas"] for row in rows}

        async def visit() -> None:
            while True:
                await read_page(production["extra"]["endpoint"])
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as visits:
            visits.start_soon(visit)
            await eventually(running, lambda counts: counts == {"production": 1, "staging": 0})
            assert (await api.wait(project_id, deployment["id"]))["status"] == "deployed"
            visits.cancel_scope.cancel()
        assert await read_page(staging["extra"]["endpoint"]) == "from staging"
