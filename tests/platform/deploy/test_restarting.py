"""Apps that are started again or put to sleep because a user asks for it."""

import os
from pathlib import Path

import anyio
import httpx2

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

OWN_NUMBER = ANSWERING.replace('os.environ.get("GREETING", "hello")', "os.environ['REPLICA_ID']")


async def place(api: Api) -> tuple[Json, Json, str]:
    """A deployment, the environment that serves it, and the path of that."""
    deployment = await api.deploy({"main.py": OWN_NUMBER})
    production = await api.environment(deployment["projectId"])
    path = f"/v1/projects/{deployment['projectId']}/environments/{production['id']}"
    return deployment, production, path


async def test_a_restart_runs_the_same_version_in_a_new_process_and_loses_no_request(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment, production, path = await place(api)
        address = production["extra"]["endpoint"]
        before = await read_page(address)
        answers: list[int] = []

        async def keep_asking() -> None:
            async with httpx2.AsyncClient() as client:
                while True:
                    answers.append((await client.get(address)).status_code)

        async with anyio.create_task_group() as visits:
            visits.start_soon(keep_asking)
            status, _ = await api.request("POST", f"{path}/restart")
            await eventually(lambda: read_page(address), lambda page: page != before)
            visits.cancel_scope.cancel()
        serving = await api.environment(deployment["projectId"])
    assert status == 200
    assert serving["projectDeploymentId"] == deployment["id"]
    assert set(answers) == {200}


async def test_an_environment_that_serves_nothing_cannot_restart(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/restart"
        status, sentence = await api.request("POST", path)
    assert status == 422
    assert "Nothing is deployed" in sentence


async def test_a_deployment_sleeps_on_request_until_the_next_visit(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment, production, _ = await place(api)
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        status, _ = await api.request("POST", f"{path}/sleep")
        asleep = await api.wait(deployment["projectId"], deployment["id"], "sleeping")
        again, sentence = await api.request("POST", f"{path}/sleep")
        assert await read_page(production["extra"]["endpoint"])
        awake = await api.wait(deployment["projectId"], deployment["id"], "deployed")
    assert status == 200
    assert asleep["reasonCode"] == ReasonCode.ASKED_TO_SLEEP
    assert (again, "nothing of it runs" in sentence) == (422, True)
    assert awake["reason"] is None


async def test_an_environment_tells_what_its_app_uses_and_how_long_requests_take(
    tmp_path: Path,
) -> None:
    busy = "import threading\nkept = bytearray(60 << 20)\n" + ANSWERING.replace(
        "def do_GET(self):", "def do_GET(self):\n        __import__('time').sleep(0.2)"
    )
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": busy})
        first = (await api.environment(deployment["projectId"]))["extra"]
        for _ in range(3):
            await read_page(first["endpoint"])
        then = (await api.environment(deployment["projectId"]))["extra"]
    assert "latency" not in first
    assert 60 <= first["usage"]["memoryMb"] < first["usage"]["memoryLimitMb"]
    assert 0 <= first["usage"]["cpuMillicores"] <= 1000 * (os.cpu_count() or 1)
    assert 200 <= then["latency"]["p50Ms"] <= then["latency"]["p95Ms"] < 5000
