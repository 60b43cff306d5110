"""Cron jobs through the API, calling a real app."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.clocks import Clock
from tests.platform.platforms import ANSWERING, Api, running_platform

NOWHERE = "00000000-0000-4000-8000-000000000000"

REQUEST: Mapping[str, Json] = {"path": "/tick", "method": "GET"}

HANGING = ANSWERING.replace(
    "def do_GET(self):", "def do_GET(self):\n        time.sleep(600)"
).replace("import http.server, os", "import http.server, os, time")
"""An app that takes requests and answers none."""


async def deploy(api: Api, source: str = ANSWERING) -> tuple[str, str]:
    """A live app's project and environment."""
    deployment = await api.deploy({"main.py": source})
    assert deployment["status"] == "deployed", deployment["reason"]
    project_id: str = deployment["projectId"]
    return project_id, (await api.environment(project_id))["id"]


async def create(
    api: Api, project_id: str, environment_id: str, **changes: Json
) -> tuple[int, Json]:
    job = {
        "environmentId": environment_id,
        "name": "tick",
        "schedule": "* * * * *",
        "type": "http",
        "settings": REQUEST,
        **changes,
    }
    return await api.request("POST", f"/v1/projects/{project_id}/cronjobs", json=job)


async def created(api: Api, project_id: str, environment_id: str, **changes: Json) -> str:
    """Path of a new job."""
    status, data = await create(api, project_id, environment_id, **changes)
    assert status == 200, data
    return f"/v1/projects/{project_id}/cronjobs/{data['id']}"


async def runs(api: Api, path: str, count: int) -> Json:
    """A job's activities once there are so many and none is under way, newest first."""
    return await eventually(
        lambda: api.get(f"{path}/activities"),
        lambda found: len(found) >= count and all(run["success"] is not None for run in found),
    )


async def under_way(api: Api, path: str) -> Json:
    """A job's newest activity while its run goes on."""
    found = await eventually(
        lambda: api.get(f"{path}/activities"),
        lambda found: found and found[0]["success"] is None,
    )
    return found[0]


async def test_a_job_calls_its_environment_when_it_is_due(tmp_path: Path) -> None:
    clock = Clock()
    async with running_platform(tmp_path, now=clock) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id)
        clock.set("12:01:00")
        (run,) = await runs(api, path, 1)
        assert (run["success"], run["statusCode"], run["log"]) == (True, 200, "hello")
        assert run["scheduledAt"] == "2026-01-05T12:01:00.000Z"
        assert run["cronJobId"] == path.rpartition("/")[2]
        clock.set("12:02:00")
        newest, oldest = await runs(api, path, 2)
        assert (newest["scheduledAt"][14:19], oldest) == ("02:00", run)


async def test_a_job_is_shown_as_it_was_made(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        settings = {**REQUEST, "headers": {"X-Who": "me"}, "body": "{}", "timeoutInSeconds": 2}
        path = await created(api, project_id, environment_id, schedule="@daily", settings=settings)
        job = await api.get(path)
        assert (job["name"], job["schedule"], job["type"]) == ("tick", "@daily", "http")
        assert (job["status"], job["suspendedAt"], job["settings"]) == ("active", None, settings)
        assert (job["projectId"], job["environmentId"]) == (project_id, environment_id)
        assert await api.get(f"/v1/projects/{project_id}/cronjobs") == [job]
        assert await api.get(f"{path}/activities") == []


async def test_a_job_is_changed_as_a_whole_but_for_settings_that_are_left_out(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id)
        changed = {"name": "tock", "schedule": "0 3 * * *"}
        assert (await api.request("PUT", path, json=changed))[0] == 200
        job = await api.get(path)
        assert (job["name"], job["schedule"], job["settings"]) == ("tock", "0 3 * * *", REQUEST)
        settings = {"path": "/tock", "method": "POST"}
        await api.request("PUT", path, json={**changed, "settings": settings})
        assert (await api.get(path))["settings"] == settings
        for wrong in ({"schedule": "never"}, {"settings": {"path": "tock", "method": "GET"}}):
            status, message = await api.request("PUT", path, json={**changed, **wrong})
            assert (status, next(iter(wrong)) in message) == (400, True)


async def test_a_job_is_suspended_and_resumed_once_each(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id, schedule="@yearly")
        assert (await api.request("POST", f"{path}/unsuspend"))[0] == 422
        assert (await api.request("POST", f"{path}/suspend"))[0] == 200
        job = await api.get(path)
        assert (job["status"], job["suspendedByOwner"]) == ("suspended", True)
        assert job["suspendedAt"] >= job["createdAt"]
        assert (await api.request("POST", f"{path}/suspend"))[0] == 422
        assert (await api.request("POST", f"{path}/unsuspend"))[0] == 200
        job = await api.get(path)
        assert (job["status"], job["suspendedAt"]) == ("active", None)


async def test_a_deleted_job_is_gone_with_its_activities(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id)
        assert (await api.request("DELETE", path))[0] == 200
        assert await api.get(f"/v1/projects/{project_id}/cronjobs") == []
        for method, below in (
            ("GET", ""),
            ("GET", "/activities"),
            ("POST", "/suspend"),
            ("POST", "/unsuspend"),
            ("DELETE", ""),
        ):
            assert (await api.request(method, f"{path}{below}"))[0] == 404


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schedule": "* * *"}, "schedule"),
        ({"schedule": "0 0 31 2 *"}, "schedule"),
        ({"schedule": "*" * 257}, "schedule"),
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"type": "artifact"}, "type"),
        ({"settings": None}, "settings"),
        ({"settings": {**REQUEST, "path": "tick"}}, "settings.path"),
        ({"settings": {**REQUEST, "path": "http://example.com/"}}, "settings.path"),
        ({"settings": {**REQUEST, "path": "//example.com/"}}, "settings.path"),
        ({"settings": {**REQUEST, "path": "/a b"}}, "settings.path"),
        ({"settings": {**REQUEST, "path": "/\r\nX: y"}}, "settings.path"),
        ({"settings": {**REQUEST, "path": "/" * 2049}}, "settings.path"),
        ({"settings": {**REQUEST, "method": "TRACE"}}, "settings.method"),
        ({"settings": {**REQUEST, "body": "b" * 65_537}}, "settings.body"),
        ({"settings": {**REQUEST, "timeoutInSeconds": 6}}, "settings.timeoutInSeconds"),
        ({"settings": {**REQUEST, "timeoutInSeconds": 0}}, "settings.timeoutInSeconds"),
        ({"settings": {**REQUEST, "headers": {"X Y": "z"}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"": "z"}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"X": "a\r\nY: b"}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"X": " a"}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"X": "\u2713"}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"X": "x" * 20_000}}}, "settings.headers"),
        ({"settings": {**REQUEST, "headers": {"Content-Length": "5"}}}, "settings.headers"),
    ],
)
async def test_what_cannot_be_run_is_refused_by_its_field(
    changes: Mapping[str, Json], named: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        environment_id = (await api.environment(project_id))["id"]
        status, message = await create(api, project_id, environment_id, **changes)
        assert (status, message.startswith(named)) == (400, True), message


async def test_a_job_needs_an_environment_of_its_project_that_serves(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        status, message = await create(api, project_id, (await api.environment(project_id))["id"])
        assert (status, "environment inactive" in message) == (422, True)
        other = await api.create_project("other-app")
        for environment_id in (NOWHERE, (await api.environment(other))["id"]):
            status, message = await create(api, project_id, environment_id)
            assert (status, environment_id in message) == (404, True)


async def test_a_project_has_at_most_4_jobs(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        paths = [await created(api, project_id, environment_id) for _ in range(4)]
        status, message = await create(api, project_id, environment_id)
        assert (status, "4 cron jobs" in message) == (422, True)
        await api.request("DELETE", paths[0])
        await created(api, project_id, environment_id)


async def test_jobs_go_on_after_a_restart_without_what_they_missed(tmp_path: Path) -> None:
    clock = Clock()
    async with running_platform(tmp_path, now=clock) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id)
        clock.set("12:01:00")
        (first,) = await runs(api, path, 1)
    clock.set("15:00:01")
    async with running_platform(tmp_path, now=clock) as api:
        await eventually(
            lambda: api.environment(project_id), lambda row: row["projectDeploymentId"]
        )
        clock.set("15:01:00")
        newest, *others = await runs(api, path, 2)
        assert newest["scheduledAt"] == "2026-01-05T15:01:00.000Z"
        assert others == [first]


async def test_a_run_that_the_platform_did_not_outlive_has_failed_and_is_not_repeated(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with running_platform(tmp_path, now=clock, stop_timeout_s=1) as api:
        project_id, environment_id = await deploy(api, HANGING)
        path = await created(api, project_id, environment_id)
        clock.set("12:01:00")
        run = await under_way(api, path)
    async with running_platform(tmp_path, now=clock, stop_timeout_s=1) as api:
        (closed,) = await runs(api, path, 1)
        assert (closed["id"], closed["success"], closed["statusCode"]) == (run["id"], False, None)
        assert "not retried" in closed["log"]
        clock.set("12:02:00")
        newer = await under_way(api, path)
        assert newer["scheduledAt"] == "2026-01-05T12:02:00.000Z"


async def test_a_job_runs_when_someone_asks_for_it_even_while_it_is_suspended(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api)
        path = await created(api, project_id, environment_id, schedule="0 0 1 1 *")
        await api.request("POST", f"{path}/suspend")
        status, told = await api.request("POST", f"{path}/run")
        assert status == 200
        assert "has begun" in told
        (run,) = await runs(api, path, 1)
    assert (run["success"], run["log"]) == (True, "hello")


async def test_a_run_in_progress_is_not_begun_again(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, environment_id = await deploy(api, HANGING)
        path = await created(api, project_id, environment_id, schedule="0 0 1 1 *")
        assert (await api.request("POST", f"{path}/run"))[0] == 200
        status, told = await api.request("POST", f"{path}/run")
        assert status == 422
        assert "in progress" in told
