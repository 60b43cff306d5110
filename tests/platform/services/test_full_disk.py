"""A disk without room: a service says so, loses nothing that it acknowledged, and goes on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from tests.eventually import eventually
from tests.platform.platforms import running_platform
from tests.platform.services.databases import (
    TODO_APP,
    create_service,
    deploy_bound,
    kill_service,
    page_of,
    until,
)

pytestmark = [
    pytest.mark.examples,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a small disk"),
]

DISK_MB, FLOOR_MB, LEFT_MB = 900, 40, 6
FAILING_S = 4.0
"""Longer than a server that ended is started anew again and again."""
MB = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with a small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    size = f"size={DISK_MB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """A file that takes nearly all there is."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - LEFT_MB * MB)
    return ballast


async def test_a_full_disk_costs_no_write_that_was_acknowledged(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.5)
    monkeypatch.setattr("createos_mcp.platform.services.service_host.RETRY_S", 2)
    monkeypatch.setattr("createos_mcp.platform.services.service_host.RESTART_DELAYS_S", (0.1, 1))
    async with running_platform(disk / "data", disk_floor_mb=FLOOR_MB) as api:
        service_id = await create_service(api, sizeMb=800)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/n0") == "n0"

        ballast = fill(disk)
        # The app turns writes on again, wherever it may not write, and takes what is left.
        kept, page = ["n0"], ""
        for number in range(1, 40):
            page = await page_of(api, deployed, f"/fillx{number}")
            if (await page_of(api, deployed, f"/add/n{number}")).endswith(f"n{number}"):
                kept.append(f"n{number}")
            if "No space left on device" in page:
                break
        assert "No space left on device" in page
        shown = await until(api, service_id, "read_only")
        assert f"less than {FLOOR_MB} MB of this machine's disk are free" in shown["reason"]

        # Not even a server that starts anew has room.
        with (disk / "rest").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        kill_service(disk / "data", "postgres")
        assert "connection" in await eventually(
            lambda: page_of(api, deployed), lambda page: "OperationalError" in page
        )
        await anyio.sleep(FAILING_S)
        (disk / "rest").unlink()
        ballast.unlink()
        text = await eventually(
            lambda: page_of(api, deployed, "/add/last"), lambda page: page.endswith("last")
        )
        assert text.split(",")[: len(kept)] == kept
        assert (await until(api, service_id, "running"))["reason"] is None
