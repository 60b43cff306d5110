from pathlib import Path

import httpx2

from tests.platform.platforms import ANSWERING, Api, another_user, read_page, running_platform


async def act(api: Api, project_id: str, environment_id: str, verb: str) -> tuple[int, str]:
    path = f"/v1/projects/{project_id}/environments/{environment_id}/{verb}"
    status, told = await api.request("POST", path)
    return status, told


async def status_of(address: str) -> tuple[int, str]:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(address)
    return answer.status_code, answer.text


async def test_a_stopped_app_is_not_woken_by_requests_nor_by_a_restart_of_the_platform(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        production = await api.environment(project_id)
        address = production["extra"]["endpoint"]
        assert (await act(api, project_id, production["id"], "stop"))[0] == 200
        status, page = await status_of(address)
        assert (status, "RestartEnvironment starts it" in page) == (503, True)
        stopped = await api.wait(project_id, first["id"], "sleeping")
        assert stopped["reasonCode"] == "stopped"
        assert (await api.environment(project_id))["extra"]["stopped"] is True
    async with running_platform(tmp_path) as api:
        assert (await status_of(address))[0] == 503
        await act(api, project_id, production["id"], "restart")
        await api.wait(project_id, first["id"], "deployed")
        assert await read_page(address) == "hello"
        assert "stopped" not in (await api.environment(project_id))["extra"]


async def test_the_next_version_starts_what_was_stopped(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        production = await api.environment(project_id)
        await act(api, project_id, production["id"], "stop")
        await api.wait(project_id, await api.upload(project_id, {"index.html": "two"}), "deployed")
        assert await read_page(production["extra"]["endpoint"]) == "two"


async def test_waking_a_deployment_starts_where_it_was_stopped(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        production = await api.environment(project_id)
        await act(api, project_id, production["id"], "stop")
        await api.wait(project_id, first["id"], "sleeping")
        path = f"/v1/projects/{project_id}/deployments/{first['id']}/wakeup"
        assert (await api.request("POST", path))[0] == 200
        await api.wait(project_id, first["id"], "deployed")
        assert await read_page(production["extra"]["endpoint"]) == "hello"


async def test_what_runs_nothing_cannot_be_stopped_and_others_cannot_stop_it(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        project_id = await api.create_project()
        production = await api.environment(project_id)
        status, told = await act(api, project_id, production["id"], "stop")
        assert (status, "nothing can stop" in told) == (422, True)
        assert (await act(other, project_id, production["id"], "stop"))[0] == 404


async def test_the_lines_of_a_log_follow_a_cursor(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        first = await api.deploy({"main.py": ANSWERING})
        production = await api.environment(first["projectId"])
        path = f"/v1/projects/{first['projectId']}/environments/{production['id']}/log-lines"
        before = await api.get(path)
        for number in range(3):
            await read_page(f"{production['extra']['endpoint']}/{number}")
        after = await api.get(f"{path}?after={before['cursor']}")
        assert [line["text"] for line in after["lines"]] == [f"asked for /{n}" for n in range(3)]
        assert (await api.get(f"{path}?after={after['cursor']}"))["lines"] == []
        assert len((await api.get(f"{path}?tail=1"))["lines"]) == 1
        for query in ("after=x.y", "tail=-1", "tail=9999"):
            assert (await api.request("GET", f"{path}?{query}"))[0] == 400
        assert (await other.request("GET", path))[0] == 404
