"""Services under kills: what was acknowledged is there, and nothing is left that nobody knows."""

import os
import random
import re
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from operator import lt
from pathlib import Path

import anyio
import httpx2
import psutil
import pytest
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.platforms import NO_ENGINE, OWN_PORTS, Api
from tests.platform.services.databases import (
    COUNTER_APP,
    TODO_APP,
    create_service,
    deploy_bound,
)

pytestmark = pytest.mark.examples

KILLS = int(os.environ.get("SERVICE_KILLS", "12"))
"""Of the platform, of a service, and of everything at once, in turn: 100 were tried."""

PLATFORM, SERVICE, MACHINE = "the platform", "a service", "everything"


class Writers:
    """Write through the apps without a pause, and keep what was acknowledged."""

    def __init__(self, notes: str, counter: str) -> None:
        self._notes = notes
        self._counter = counter
        self.notes: list[str] = []
        self.count = 0

    async def run(self) -> None:
        """Write until this is cancelled."""
        async with httpx2.AsyncClient(timeout=20) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(self._write_notes, client)
            tasks.start_soon(self._count_visits, client)

    async def _write_notes(self, client: httpx2.AsyncClient) -> None:
        number = 0
        while True:
            number += 1
            page = await self._ask(client, f"{self._notes}/add/n{number}")
            if page is not None and page.endswith(f"n{number}"):
                self.notes.append(f"n{number}")

    async def _count_visits(self, client: httpx2.AsyncClient) -> None:
        while True:
            page = await self._ask(client, self._counter)
            if page is not None and page.isdigit():
                self.count = max(self.count, int(page))

    async def _ask(self, client: httpx2.AsyncClient, url: str) -> str | None:
        try:
            answer = await client.get(url)
        except httpx2.HTTPError:
            await anyio.sleep(0.05)
            return None
        if answer.is_error:
            await anyio.sleep(0.05)
        return answer.text if answer.is_success else None


async def test_no_acknowledged_write_is_lost_by_any_kill(tmp_path: Path) -> None:
    config = PlatformConfig(
        data_dir=DataDir(tmp_path / "data"),
        docker_host=NO_ENGINE,
        sleep_after_s=0,
        # While it is down another platform of the machine may take the address of an app.
        app_ports=OWN_PORTS,
    )
    chance = random.Random(7)  # noqa: S311 - a seed makes a run repeatable
    address = await start(config)
    try:
        async with client_of(address) as api:
            notes = await deploy_bound(api, TODO_APP, await create_service(api), "todo-app")
            cache = await create_service(api, "valkey", "counts")
            counter = await deploy_bound(api, COUNTER_APP, cache, "counter")
            pages = [
                (await api.environment(one["projectId"]))["extra"]["endpoint"]
                for one in (notes, counter)
            ]
        writers = Writers(*pages)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writers.run)
            for number in range(KILLS):
                await anyio.sleep(chance.uniform(0.2, 1.5))
                kill(config, (PLATFORM, SERVICE, MACHINE)[number % 3])
                await start(config)
                before = len(writers.notes)
                await eventually(count_of(writers), partial(lt, before))
            tasks.cancel_scope.cancel()
        kept = await eventually(lambda: text_of(pages[0]), lambda page: page.startswith("n"))
        assert {*writers.notes} <= {*kept.split(",")}
        assert len(writers.notes) > KILLS
        after = await eventually(lambda: text_of(pages[1]), str.isdigit)
        assert int(after) > writers.count
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)
    assert left_over(config.data_dir) == []


def count_of(writers: Writers) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(writers.notes)

    return count


async def text_of(url: str) -> str:
    async with httpx2.AsyncClient(timeout=20) as client:
        return (await client.get(url)).text


async def start(config: PlatformConfig) -> daemon.Address:
    return await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))


def client_of(address: daemon.Address) -> "_Client":
    return _Client(address)


class _Client:
    """A client of a platform that runs in a process of its own."""

    def __init__(self, address: daemon.Address) -> None:
        self._http = httpx2.AsyncClient(
            base_url=address.api_url, headers={"X-Api-Key": address.api_key}, timeout=60
        )

    async def __aenter__(self) -> Api:
        return Api(client=self._http, data_dir=Path(), gateway_port=0)

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


def kill(config: PlatformConfig, what: str) -> None:
    """What a crash does: SIGKILL, to nothing but what this platform has started."""
    state = daemon.find_running(config.data_dir)
    pids = []
    if what != SERVICE and state is not None:
        pids.append(state.pid)
    if what != PLATFORM:
        pids += [one.pid for one in of_platform(config.data_dir) if is_meant(one, what)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while what != SERVICE and state is not None and state.is_alive():
        pass


def is_meant(process: psutil.Process, what: str) -> bool:
    try:
        return what == MACHINE or process.name() in {"postgres", "valkey-server"}
    except psutil.NoSuchProcess:
        return False


def of_platform(data_dir: DataDir) -> list[psutil.Process]:
    """Launchers of this data directory, and all that descends from them."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if re.search(rf"{re.escape(str(data_dir.runs))}/", line):
            try:
                found += [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
    return found


def left_over(data_dir: DataDir) -> list[str]:
    return [process.name() for process in of_platform(data_dir) if process.is_running()]
