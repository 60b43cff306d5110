"""A suspended project keeps everything and runs nothing; what may be read of it is."""

from pathlib import Path

import anyio
import httpx2

from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, Api, another_user, read_page, running_platform


async def act(api: Api, project_id: str, verb: str) -> tuple[int, str]:
    status, told = await api.request("PUT", f"/v1/projects/{project_id}/{verb}")
    return status, told


async def status_of(address: str) -> tuple[int, str]:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(address)
    return answer.status_code, answer.text


async def test_a_suspended_project_runs_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        assert await act(api, project_id, "suspend") == (200, "The project is suspended.")
        status, page = await eventually(lambda: status_of(address), lambda told: told[0] == 503)
        assert "The project is suspended" in page
        asleep = await api.wait(project_id, first["id"], "sleeping")
        assert asleep["reasonCode"] == "stopped"
        assert (await api.get(f"/v1/projects/{project_id}"))["status"] == "suspended"
        for path, method in (
            (f"deployments/{first['id']}/wakeup", "POST"),
            (f"deployments/{first['id']}/retrigger", "POST"),
        ):
            status, told = await api.request(method, f"/v1/projects/{project_id}/{path}")
            assert (status, "unsuspend" in told) == (422, True)
    async with running_platform(tmp_path) as api:
        assert (await status_of(address))[0] == 503
        assert await act(api, project_id, "unsuspend") == (200, "The project is active again.")
        await api.wait(project_id, first["id"], "deployed")
        assert await read_page(address) == "hello"


async def test_a_start_that_is_under_way_ends_suspended(tmp_path: Path) -> None:
    slow = f"import time; time.sleep(3)\n{ANSWERING}"
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        deployment_id = await api.upload(project_id, {"main.py": slow})
        await api.wait(project_id, deployment_id, "deploying")
        await act(api, project_id, "suspend")
        await api.wait(project_id, deployment_id, "sleeping", "error")
        environment = await api.environment(project_id)
        assert environment["extra"]["runningReplicas"] == 0
        assert (await status_of(environment["extra"]["endpoint"]))[0] == 503


async def test_who_resumes_while_requests_end_finds_it_running(tmp_path: Path) -> None:
    lasting = ANSWERING.replace("def do_GET(self):", "def do_GET(self):\n        time.sleep(2)")
    async with running_platform(tmp_path) as api, anyio.create_task_group() as tasks:
        first = await api.deploy({"main.py": f"import time\n{lasting}"})
        project_id = first["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        tasks.start_soon(status_of, address)
        await anyio.sleep(0.5)
        for verb in ("suspend", "unsuspend"):
            assert (await act(api, project_id, verb))[0] == 200
            await anyio.sleep(0.3)
        await anyio.sleep(3)
        await api.wait(project_id, first["id"], "deployed")
        assert (await api.get(f"/v1/projects/{project_id}"))["status"] == "active"


async def test_what_was_stopped_before_stays_stopped(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/stop"
        assert (await api.request("POST", path))[0] == 200
        for verb in ("suspend", "unsuspend"):
            assert (await act(api, project_id, verb))[0] == 200
        status, page = await status_of(production["extra"]["endpoint"])
        assert (status, "RestartEnvironment" in page) == (503, True)


async def test_a_build_under_way_is_cancelled(tmp_path: Path) -> None:
    slow = {"buildCommand": "sleep 30", "runCommand": "python main.py", "runtime": "python:3.12"}
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(**slow, port=3000)
        deployment_id = await api.upload(project_id, {"main.py": ANSWERING})
        await api.wait(project_id, deployment_id, "building")
        await act(api, project_id, "suspend")
        await api.wait(project_id, deployment_id, "cancelled")


async def test_a_suspended_project_is_read_and_deleted_and_nothing_else(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        project = f"/v1/projects/{project_id}"
        assert (await act(api, project_id, "unsuspend"))[0] == 422
        assert (await act(other, project_id, "suspend"))[0] == 404
        await act(api, project_id, "suspend")
        status, told = await act(api, project_id, "suspend")
        assert (status, told) == (422, "The project is suspended, not active.")
        for path in ("deployments", "environments", "domains", "cronjobs"):
            assert (await api.request("GET", f"{project}/{path}"))[0] == 200
        domain = {"name": "shop.example.com"}
        status, told = await api.request("POST", f"{project}/domains", json=domain)
        assert (status, "is suspended" in told) == (422, True)
        assert (await api.request("DELETE", project))[0] == 200
        await api.until_gone(project)
