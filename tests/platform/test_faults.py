import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, read_page, running_platform

KILL = Path(__file__).parents[2] / "bench" / "faults" / "kill.py"


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of that size, mounted for as long as the context lasts."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill_up(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)


async def test_kills_under_load_lose_nothing_and_leave_nothing() -> None:
    done = await anyio.run_process([sys.executable, str(KILL), "--kills", "4"], check=False)
    found = [line for line in done.stdout.decode().splitlines() if line.startswith("FOUND")]
    late = [line for line in found if "served again after" in line]  # measured, not tested
    assert found == late, done.stdout.decode()
    assert b"writes acknowledged" in done.stdout, done.stderr.decode()


async def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "6m") as disk:
        async with running_platform(disk / "data") as api:
            project_id = await api.create_project("kept-app")
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space"):
                fill_up(filler)
            files = {"files": [{"path": "main.py", "content": "x" * 100_000}]}
            status, message = await api.request(
                "PUT", f"/v1/projects/{project_id}/deployments/files", json=files
            )
            assert (status, "space" in message, "Nothing was changed" in message) == (
                500,
                True,
                True,
            )
            settings = {"runEnvs": {"LONG": "y" * 200_000}}
            status, message = await api.request(
                "PUT", f"/v1/projects/{project_id}/settings", json=settings
            )
            assert (status, "full" in message) == (500, True)
            project = await api.get(f"/v1/projects/{project_id}")
            assert "runEnvs" not in project["settings"]
            filler.unlink()
            status, _ = await api.request(
                "PUT", f"/v1/projects/{project_id}/settings", json=settings
            )
            assert status == 200


async def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        config = PlatformConfig(data_dir=DataDir(disk / "data"))
        with pytest.raises(StartupError, match="data cannot be used: Read-only"):
            await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))


async def test_a_damaged_database_is_said_with_what_to_do_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        for number in range(20):
            await api.create_project(f"app-{number}")
    file = tmp_path / "platform.db"
    damaged = bytearray(file.read_bytes())
    damaged[8192:40_960] = b"\xff" * (40_960 - 8192)
    file.write_bytes(damaged)
    with pytest.raises(StartupError, match="restore it from a backup"):
        async with running_platform(tmp_path):
            pass
    assert file.read_bytes() == damaged


async def test_a_clock_that_jumps_ends_no_app_and_starts_none_twice(tmp_path: Path) -> None:
    shift = timedelta()

    def now() -> datetime:
        return datetime.now(UTC) + shift

    async with running_platform(tmp_path, now=now) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        for days in (400, -400):
            shift = timedelta(days=days)
            assert await read_page(address) == "hello"
            assert (await api.wait(project_id, deployment["id"]))["status"] == "deployed"
            again = await api.wait(
                project_id, await api.upload(project_id, {"main.py": ANSWERING}), "deployed"
            )
            assert again["versionNumber"] > deployment["versionNumber"]
            deployment = again
    async with running_platform(tmp_path) as api, httpx2.AsyncClient() as client:
        await eventually(lambda: client.get(address), lambda page: page.text == "hello")
