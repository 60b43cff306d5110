import contextlib
import shutil
import signal
import socket
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import anyio
import psutil
import pytest
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually, until
from tests.platform.daemons import daemon_client, environ, stopped_at_the_end
from tests.platform.platforms import ANSWERING, Api, processes_of, read_page

WHO = ANSWERING.replace('os.environ.get("GREETING", "hello")', "START").replace(
    "import http.server, os", "import http.server, os, time\nSTART = str(time.time())"
)
"""An app that answers with the moment of its start."""


def pid_of(root: Path) -> int:
    state = daemon.find_running(DataDir(root))
    assert state is not None
    return state.pid


async def kill(root: Path) -> None:
    """What a crash or `kill -9` does to the platform, and to it alone."""
    process = psutil.Process(pid_of(root))
    process.send_signal(signal.SIGKILL)
    await to_thread.run_sync(process.wait, 10)


async def test_servers_that_start_it_at_the_same_instant_share_one_platform(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "createos_mcp", "platform", "start"]
    own = {**environ(), "CREATEOS_DATA_DIR": str(tmp_path)}
    outputs: list[str] = []

    async def start() -> None:
        done = await anyio.run_process(command, env=own)
        outputs.append(done.stdout.decode())

    async with stopped_at_the_end(tmp_path):
        with anyio.fail_after(60):
            async with anyio.create_task_group() as starts:
                for _ in range(5):
                    starts.start_soon(start)
        pids = {
            line for text in outputs for line in text.splitlines() if line.startswith("process")
        }
        assert len(outputs) == 5
        assert len(pids) == 1


async def test_its_files_and_key_are_for_their_owner_alone_and_the_key_is_in_no_other_file(
    tmp_path: Path,
) -> None:
    root = tmp_path / "data"
    async with stopped_at_the_end(root), daemon_client(root, environ()) as api:
        await api.deploy({"main.py": ANSWERING})
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        assert stat.S_IMODE((root / "key").stat().st_mode) == 0o600
        key = (root / "key").read_bytes().strip()
        holders = {
            file.name for file in root.rglob("*") if file.is_file() and key in file.read_bytes()
        }
        assert holders == {"key"}


async def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    async with stopped_at_the_end(tmp_path), daemon_client(tmp_path, environ()) as api:
        await api.deploy({"main.py": ANSWERING})
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(pid_of(tmp_path)).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 4
        assert set(listening) == {"127.0.0.1"}


async def test_a_stop_ends_every_app_and_a_start_brings_them_back_at_their_addresses(
    tmp_path: Path,
) -> None:
    async with stopped_at_the_end(tmp_path) as config:
        async with daemon_client(tmp_path, environ()) as api:
            deployment = await api.deploy({"main.py": ANSWERING})
            address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
            api_url = str(api.client.base_url)
            assert await read_page(address) == "hello"
        assert await to_thread.run_sync(daemon.stop_platform, config)
        assert processes_of(tmp_path) == []
        async with daemon_client(tmp_path, environ()) as api:
            assert str(api.client.base_url) == api_url
            await api.wait(deployment["projectId"], deployment["id"], "deployed")
            await eventually(lambda: read_page(address), lambda page: page == "hello")
    assert processes_of(tmp_path) == []


async def test_a_killed_platform_finds_its_running_apps_again(tmp_path: Path) -> None:
    async with stopped_at_the_end(tmp_path):
        async with daemon_client(tmp_path, environ()) as api:
            deployment = await api.deploy({"main.py": WHO})
            assert deployment["status"] == "deployed", await api.build_log(deployment)
            address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
            started = await read_page(address)
        await kill(tmp_path)
        async with daemon_client(tmp_path, environ()) as api:
            await api.wait(deployment["projectId"], deployment["id"], "deployed")
            with anyio.fail_after(30):
                while (page := await read_page(address)) != started:
                    assert "fail" in page, "another process answers"
                    await anyio.sleep(0.05)
    assert processes_of(tmp_path) == []


async def test_a_platform_whose_directory_is_deleted_ends_with_its_apps(tmp_path: Path) -> None:
    root = tmp_path / "data"
    async with daemon_client(root, environ()) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        shutil.rmtree(root)
        await until(lambda: not processes_of(root))


async def test_a_build_that_a_crash_interrupted_is_finished(tmp_path: Path) -> None:
    gate = "while [ ! -e go ]; do sleep 0.05; done"
    async with stopped_at_the_end(tmp_path):
        async with daemon_client(tmp_path, environ()) as api:
            project_id = await api.create_project(buildCommand=gate)
            first = await api.upload(project_id, {"main.py": ANSWERING})
            path = f"/v1/projects/{project_id}/deployments/{first}"
            await api.wait(project_id, first, "building")
            await kill(tmp_path)
        async with daemon_client(tmp_path, environ()) as api:
            with anyio.fail_after(30):
                while (await api.get(path))["status"] != "deployed":
                    if (release := tmp_path / "releases" / first).is_dir():
                        (release / "app" / "go").touch()
                    await anyio.sleep(0.05)
    assert processes_of(tmp_path) == []


async def test_an_app_that_died_with_the_platform_is_started_again(tmp_path: Path) -> None:
    async with stopped_at_the_end(tmp_path):
        async with daemon_client(tmp_path, environ()) as api:
            deployment = await api.deploy({"main.py": WHO})
            address = deployment["extra"]["endpoint"]
            started = await read_page(address)
        await kill(tmp_path)
        for process in psutil.process_iter(["cmdline"]):
            if str(tmp_path / "run") in " ".join(process.info["cmdline"] or ()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        async with daemon_client(tmp_path, environ()) as api:
            live = await api.wait(deployment["projectId"], deployment["id"], "deployed")
            assert await read_page(live["extra"]["endpoint"]) != started
    assert processes_of(tmp_path) == []


async def test_it_does_not_keep_the_settings_of_whoever_started_it(tmp_path: Path) -> None:
    own = {**environ(), "CREATEOS_API_KEY": "skp_of_somebody"}
    tell = ANSWERING.replace('os.environ.get("GREETING", "hello")', "repr(dict(os.environ))")
    async with stopped_at_the_end(tmp_path), daemon_client(tmp_path, own) as api:
        seen = Path(f"/proc/{pid_of(tmp_path)}/environ").read_bytes()
        assert b"skp_of_somebody" not in seen
        deployment = await api.deploy({"main.py": tell})
        page = await read_page(deployment["extra"]["endpoint"])
        assert "PORT" in page
        assert "CREATEOS" not in page


@pytest.mark.parametrize(("held_s", "is_kept"), [(0.5, True), (60, False)])
async def test_a_port_is_the_last_start_s_again_once_what_was_killed_lets_go_of_it(
    tmp_path: Path, held_s: float, *, is_kept: bool
) -> None:
    config = PlatformConfig(data_dir=DataDir(tmp_path))
    async with stopped_at_the_end(tmp_path), anyio.create_task_group() as tasks:
        first = await to_thread.run_sync(daemon.start_platform, config, environ())
        await kill(tmp_path)

        async def hold() -> None:
            with socket.create_server(("127.0.0.1", first.gateway_port)):
                await anyio.sleep(held_s)

        tasks.start_soon(hold)
        second = await to_thread.run_sync(daemon.start_platform, config, environ())
        tasks.cancel_scope.cancel()
    assert (second.gateway_port == first.gateway_port) is is_kept
    assert second.api_port == first.api_port


async def test_a_platform_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = PlatformConfig(data_dir=DataDir(tmp_path), api_port=port)
        with pytest.raises(StartupError, match=f"cannot listen on port {port}"):
            await to_thread.run_sync(daemon.ensure_running, config, environ())


async def test_a_killed_platform_runs_no_moment_of_a_cron_job_twice(tmp_path: Path) -> None:
    async def activities(api: Api, path: str, count: int) -> list[Json]:
        found = await eventually(
            lambda: api.get(f"{path}/activities"), lambda found: len(found) >= count
        )
        return list(found)

    async with stopped_at_the_end(tmp_path):
        async with daemon_client(tmp_path, environ()) as api:
            deployment = await api.deploy({"main.py": ANSWERING})
            project = f"/v1/projects/{deployment['projectId']}"
            job = {
                "environmentId": (await api.environment(deployment["projectId"]))["id"],
                "name": "tick",
                "schedule": "* * * * * *",
                "type": "http",
                "settings": {"path": "/tick", "method": "GET"},
            }
            _, data = await api.request("POST", f"{project}/cronjobs", json=job)
            path = f"{project}/cronjobs/{data['id']}"
            before = await activities(api, path, 2)
        await kill(tmp_path)
        async with daemon_client(tmp_path, environ()) as api:
            await activities(api, path, len(before) + 2)
            await api.request("POST", f"{path}/suspend")
            log = f"{project}/deployments/{deployment['id']}/deployment-logs?since-seconds=600"
            asked = (await api.get(log)).count("asked for /tick")
        with closing(sqlite3.connect(tmp_path / "platform.db")) as database:
            (moments,) = database.execute("SELECT count(*) FROM cronjob_activities").fetchone()
        assert 0 < asked <= moments
