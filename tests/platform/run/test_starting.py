"""When an app counts as started: its port, its health path, its time."""

from pathlib import Path

import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

WARMING = """
import http.server, os, time
began = time.monotonic()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_warm = time.monotonic() - began > float(os.environ["WARM_AFTER"])
        self.send_response(200 if is_warm else 503)
        self.end_headers()
        self.wfile.write(b"warm" if is_warm else b"cold")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
IDLE = {"main.py": "import time\nwhile True: time.sleep(1)"}


async def settle(api: Api, project_id: str, **settings: Json) -> None:
    path = f"/v1/projects/{project_id}/runtime-settings"
    status, data = await api.request("PUT", path, json=settings)
    assert status == 200, data


async def test_requests_wait_for_the_health_path(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runEnvs={"WARM_AFTER": "1.5"})
        await settle(api, project_id, healthPath="/healthz")
        deployed = await api.wait(
            project_id, await api.upload(project_id, {"main.py": WARMING}), "deployed"
        )
        assert await read_page(deployed["extra"]["endpoint"]) == "warm"


async def test_an_app_that_is_never_healthy_fails_and_the_one_before_goes_on(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING}, runEnvs={"WARM_AFTER": "600"})
        project_id = first["projectId"]
        await settle(api, project_id, healthPath="/healthz", startTimeoutSeconds=2)
        failed = await api.wait(project_id, await api.upload(project_id, {"main.py": WARMING}))
        production = await api.environment(project_id)
        assert await read_page(production["extra"]["endpoint"]) == "hello"
    assert (failed["status"], failed["reasonCode"]) == ("error", ReasonCode.UNHEALTHY)
    assert "/healthz answered 503 for 2 s" in failed["reason"]


async def test_a_start_has_the_time_that_the_project_gives_it(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(2)\n" + ANSWERING
    async with running_platform(tmp_path, start_timeout_s=1) as api:
        project_id = await api.create_project()
        failed = await api.wait(project_id, await api.upload(project_id, {"main.py": slow}))
        await settle(api, project_id, startTimeoutSeconds=30)
        deployed = await api.wait(project_id, await api.upload(project_id, {"main.py": slow}))
    assert failed["reasonCode"] == ReasonCode.PORT_NOT_OPEN
    assert deployed["status"] == "deployed"


async def test_a_worker_by_a_setting_needs_no_port(tmp_path: Path) -> None:
    async with running_platform(tmp_path, worker_steady_s=0.5) as api:
        project_id = await api.create_project()
        await settle(api, project_id, worker=True)
        deployed = await api.wait(project_id, await api.upload(project_id, IDLE))
    assert deployed["status"] == "deployed"
    assert deployed["extra"]["worker"] is True


async def test_a_bot_that_has_a_page_is_no_worker_when_the_setting_says_so(tmp_path: Path) -> None:
    files = {"Procfile": "worker: python main.py", "main.py": ANSWERING}
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        await settle(api, project_id, worker=False)
        deployed = await api.wait(project_id, await api.upload(project_id, files))
        assert await read_page(deployed["extra"]["endpoint"]) == "hello"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "healthPath"),
        ({"healthPath": "healthz"}, "healthPath"),
        ({"startTimeoutSeconds": 0}, "startTimeoutSeconds"),
        ({"worker": "yes"}, "worker"),
        ({"port": 80}, "port"),
    ],
)
async def test_what_is_not_such_a_setting_is_refused_by_name(
    tmp_path: Path, settings: Json, named: str
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        path = f"/v1/projects/{project_id}/runtime-settings"
        status, sentence = await api.request("PUT", path, json=settings)
    assert status == 400
    assert named in sentence


async def test_the_other_settings_stay(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runEnvs={"KEPT": "yes"})
        await settle(api, project_id, healthPath="/up")
        await settle(api, project_id, worker=False)
        project = await api.get(f"/v1/projects/{project_id}")
    assert project["settings"]["runEnvs"] == {"KEPT": "yes"}
    assert project["settings"]["healthPath"] == "/up"
    assert project["settings"]["worker"] is False
