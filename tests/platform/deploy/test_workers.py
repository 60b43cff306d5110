"""Apps that open no port, and commands that run once before a version takes over."""

from pathlib import Path

import httpx2

from createos_mcp.contract.reason_codes import ReasonCode
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

TICKING = "import time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(0.1)"
WORKER = {"Procfile": "worker: python w.py", "w.py": TICKING}
SOON = 0.5


async def test_a_worker_is_deployed_without_a_port_and_shown_as_one(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=SOON) as api:
        deployment = await api.deploy(WORKER)
        assert deployment["status"] == "deployed", await api.build_log(deployment)

        environment = await api.environment(deployment["projectId"])
        for extra in (deployment["extra"], environment["extra"]):
            assert extra["worker"] is True
            assert "endpoint" not in extra
            assert extra["runningReplicas"] == 1
        _, status = await api.request("GET", "/status")
        (row,) = status["apps"]
        assert (row["worker"], row["endpoint"]) == (True, None)


async def test_a_worker_is_not_put_to_sleep_for_want_of_requests(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=SOON, sleep_after_s=0.2) as api:
        deployment = await api.deploy(WORKER)
        web = await api.deploy({"main.py": ANSWERING}, name="a-page")

        await api.wait(web["projectId"], web["id"], "sleeping")

        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        assert (await api.get(path))["status"] == "deployed"


async def test_the_address_of_a_worker_says_what_it_is(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=SOON) as api:
        project_id = await api.create_project()
        address = (await api.environment(project_id))["extra"]["endpoint"]
        await api.wait(project_id, await api.upload(project_id, WORKER))

        async with httpx2.AsyncClient() as client:
            answer = await client.get(address)
        assert answer.status_code == 503
        assert "The app is a worker" in answer.text


async def test_a_page_takes_over_from_a_worker(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=SOON) as api:
        project_id = await api.create_project()
        await api.wait(project_id, await api.upload(project_id, WORKER))
        await api.wait(project_id, await api.upload(project_id, {"main.py": ANSWERING}))

        environment = await api.environment(project_id)
        assert await read_page(environment["extra"]["endpoint"]) == "hello"
        assert "worker" not in environment["extra"]


async def test_a_worker_that_ends_at_once_is_a_failure(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=SOON) as api:
        deployment = await api.deploy({**WORKER, "w.py": "print('done')"})
        assert (deployment["status"], deployment["reasonCode"]) == (
            "crashing",
            ReasonCode.APP_EXITED,
        )
        assert "a worker goes on until it is stopped" in deployment["reason"]
        assert "done" in await api.build_log(deployment)


async def test_a_worker_that_crashes_is_started_again(tmp_path: Path) -> None:
    dying = "import time\nprint('began', flush=True)\ntime.sleep(1)\nraise SystemExit(1)"
    async with running_platform(tmp_path, worker_steady_s=0.3) as api:
        deployment = await api.deploy({**WORKER, "w.py": dying})
        logs = tmp_path / "logs" / deployment["id"]

        async def starts() -> int:
            return sum(file.read_text().count("began") for file in logs.rglob("*.log"))

        assert await eventually(starts, lambda count: count >= 2) >= 2


RELEASING = "web: python main.py\nrelease: echo $GREETING >> made; cat made; exit $CODE"


async def test_a_release_command_runs_once_before_a_version_answers(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        files = {"Procfile": RELEASING, "main.py": ANSWERING}
        deployment = await api.deploy(files, runEnvs={"CODE": "0", "GREETING": "migrated"})
        assert deployment["status"] == "deployed"

        rows = await _rows(api, deployment["projectId"], deployment["id"])
        released = [row["log"] for row in rows if row["stage"] == "release"]
        assert released[1:] == ["migrated"], released


async def test_a_release_command_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runEnvs={"CODE": "3", "GREETING": "before"})
        await api.wait(project_id, await api.upload(project_id, {"main.py": ANSWERING}))
        files = {"Procfile": RELEASING, "main.py": ANSWERING}
        failed = await api.wait(project_id, await api.upload(project_id, files))

        assert (failed["status"], failed["reasonCode"]) == ("error", ReasonCode.RELEASE_FAILED)
        assert failed["reason"].startswith("The release command exited with 3")
        environment = await api.environment(project_id)
        assert await read_page(environment["extra"]["endpoint"]) == "before"


async def test_a_release_command_has_a_time_limit(tmp_path: Path) -> None:
    async with running_platform(tmp_path, build_timeout_s=3) as api:
        files = {"Procfile": "web: python main.py\nrelease: sleep 60", "main.py": ANSWERING}
        deployment = await api.deploy(files)
        assert deployment["reasonCode"] == ReasonCode.RELEASE_FAILED
        assert "did not finish within 0.05 minutes" in deployment["reason"]


async def _rows(api: Api, project_id: str, deployment_id: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = await api.get(
        f"/v1/projects/{project_id}/deployments/{deployment_id}/build-logs"
    )
    return rows
