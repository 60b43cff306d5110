"""The scheduler over a real store and a real app, at moments that the tests choose."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import SocketStream

from createos_mcp.contract.values import Json
from createos_mcp.platform.background import Background
from createos_mcp.platform.cron.cron_requests import open_client
from createos_mcp.platform.cron.scheduler import Scheduler
from createos_mcp.platform.models import Activity
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.cronjobs import Due
from createos_mcp.platform.store.store import Store, open_store
from tests.eventually import eventually
from tests.platform.clocks import Clock
from tests.platform.platforms import running_platform

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone"


@dataclass
class Target:
    """An app at the address of an environment: notes what it is asked, answers what it is told."""

    answer: bytes = OK
    asked: list[str] = field(default_factory=list)
    may_answer: anyio.Event = field(default_factory=anyio.Event)

    async def _read(self, stream: SocketStream) -> str:
        return (await stream.receive()).decode("utf-8", "surrogateescape")

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            self.asked.append(await self._read(stream))
            await self.may_answer.wait()
            await stream.send(self.answer)


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment, and the port of its address."""

    project_id: str
    environment_id: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A job's surroundings."""

    store: Store
    clock: Clock
    scheduler: Scheduler
    target: Target
    place: Place

    async def add_job(self, schedule: str = "* * * * *", **settings: Json) -> str:
        return await self.store.cronjobs.add(
            project_id=self.place.project_id,
            environment_id=self.place.environment_id,
            name="tick",
            schedule=schedule,
            settings={"path": "/tick", "method": "GET", **settings},
        )

    async def at(self, time: str, *, days: int = 0) -> None:
        """Let the scheduler look at its jobs when the clock shows this."""
        await self.scheduler.run_due(self.clock.set(time, days=days))

    async def activities(self, job_id: str) -> list[Activity]:
        """A job's activities once none is under way, newest first."""
        return await eventually(
            lambda: self.store.cronjobs.activities(job_id),
            lambda found: all(activity.success is not None for activity in found),
        )

    async def moments(self, job_id: str) -> list[str]:
        """When the job was run, oldest first."""
        return [a.scheduled_at[11:19] for a in reversed(await self.activities(job_id))]


def own_ports() -> range:
    """Ports that neither the system nor a test beside this one gives to anybody."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(30_000 + 100 * number, 30_100 + 100 * number)


async def make_place(root: Path) -> Place:
    """An environment in the database of a directory."""
    async with running_platform(root, app_ports=own_ports()) as api:
        project_id = await api.create_project()
        environment = await api.environment(project_id)
    port = urlsplit(environment["extra"]["endpoint"]).port
    assert port
    return Place(project_id=project_id, environment_id=environment["id"], port=port)


@asynccontextmanager
async def bench(
    root: Path, clock: Clock | None = None, place: Place | None = None
) -> AsyncIterator[Bench]:
    """A scheduler that looks when it is told to, and an app of ours at the environment's port."""
    clock = clock or Clock()
    place = place or await make_place(root)
    target = Target()
    target.may_answer.set()
    async with (
        open_store(
            root / "platform.db", app_ports=range(0), sealer=Sealer(root / "key"), now=clock
        ) as store,
        open_client() as client,
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=place.port) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, target.serve)
        scheduler = Scheduler(
            cronjobs=store.cronjobs, client=client, background=Background(tasks), now=clock
        )
        yield Bench(store=store, clock=clock, scheduler=scheduler, target=target, place=place)
        tasks.cancel_scope.cancel()


async def test_a_moment_is_run_once_as_the_job_says(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job(
            path="/tick?at=noon",
            method="POST",
            headers={"X-Who": "caf\u00e9", "Content-Type": "text/plain"},
            body="for you \u2713",
        )
        for time in ("12:00:59", "12:01:00", "12:01:00", "12:01:01", "12:01:59"):
            await b.at(time)
        (run,) = await b.activities(job)
        assert run.scheduled_at == "2026-01-05T12:01:00.000Z"
        assert (run.success, run.status_code, run.log) == (True, 200, "done")
        (asked,) = b.target.asked
        head, _, body = asked.partition("\r\n\r\n")
        assert head.startswith("POST /tick?at=noon HTTP/1.1\r\n")
        for line in ("user-agent: createos-cron", "x-who: caf\udce9", "content-type: text/plain"):
            assert line in head
        assert body == "for you \u2713"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", (True, 204, "")),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n\r\n", (True, 302, "")),
        (b"HTTP/1.1 404 Not Found\r\n\r\nno\x00\x1b[31m page\n", (False, 404, "no[31m page\n")),
        (b"HTTP/1.1 500 Oh\r\n\r\n" + b"x" * 9_000, (False, 500, "x" * 4_096)),
    ],
)
async def test_the_answer_decides_and_its_beginning_is_kept(
    answer: bytes, outcome: tuple[bool, int, str], tmp_path: Path
) -> None:
    async with bench(tmp_path) as b:
        b.target.answer = answer
        job = await b.add_job()
        await b.at("12:01:00")
        (run,) = await b.activities(job)
        assert (run.success, run.status_code, run.log) == outcome
        assert len(b.target.asked) == 1


@pytest.mark.parametrize("answer", [b"what is HTTP\r\n\r\n", b""])
async def test_what_is_no_answer_is_a_failed_request(answer: bytes, tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.target.answer = answer
        job = await b.add_job()
        await b.at("12:01:00")
        (run,) = await b.activities(job)
        assert (run.success, run.status_code) == (False, None)
        assert str(run.log).startswith("The request failed: ")
        assert len(b.target.asked) == 1


async def test_an_app_that_does_not_answer_in_time_has_failed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.target.may_answer = anyio.Event()
        job = await b.add_job(timeoutInSeconds=1)
        await b.at("12:01:00")
        (run,) = await b.activities(job)
        assert (run.success, run.status_code) == (False, None)
        assert run.log == "The app did not respond within 1 s."


async def test_moments_that_were_missed_are_not_made_up_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        await b.at("12:01:00")
        await b.at("18:30:30")
        await b.at("18:30:59")
        await b.at("18:31:00")
        assert await b.moments(job) == ["12:01:00", "18:31:00"]


async def test_of_moments_close_together_only_the_latest_is_run(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job("* * * * * *")
        await b.at("12:00:31")
        await b.activities(job)
        await b.at("12:00:34")
        assert await b.moments(job) == ["12:00:31", "12:00:34"]


async def test_a_restart_runs_neither_a_moment_again_nor_one_that_passed(tmp_path: Path) -> None:
    clock = Clock()
    async with bench(tmp_path, clock) as b:
        place, job = b.place, await b.add_job()
        await b.at("12:01:00")
        await b.activities(job)
    async with bench(tmp_path, clock, place) as b:
        await b.at("12:01:00")
        await b.at("12:01:59")
        assert await b.moments(job) == ["12:01:00"]
    clock.set("12:02:01")
    async with bench(tmp_path, clock, place) as b:
        await b.at("12:02:02")
        await b.at("12:03:00")
        assert await b.moments(job) == ["12:01:00", "12:03:00"]


async def test_a_clock_that_goes_back_runs_no_moment_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        for time in ("12:01:00", "12:02:00"):
            await b.at(time)
            await b.activities(job)
        for time in ("12:00:59", "12:01:00", "12:02:00", "12:03:00"):
            await b.at(time)
        assert await b.moments(job) == ["12:01:00", "12:02:00", "12:03:00"]


async def run_on_a_wrong_clock(b: Bench, job: str) -> None:
    """Once on the right day, once on one more than a year later."""
    for time, days in (("12:01:00", 0), ("12:01:30", 400), ("12:02:00", 400)):
        await b.at(time, days=days)
        await b.activities(job)


async def test_a_moment_days_ahead_was_a_wrong_clock(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        await run_on_a_wrong_clock(b, job)
        for time in ("12:00:59", "12:01:00", "12:01:59", "12:02:00"):
            await b.at(time)
            await b.activities(job)
        assert await b.moments(job) == ["12:01:00", "12:02:00", "12:02:00"]


async def test_a_moment_days_ahead_stops_no_job_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with bench(tmp_path, clock) as b:
        place, job = b.place, await b.add_job()
        await run_on_a_wrong_clock(b, job)
    clock.set("12:01:59")
    async with bench(tmp_path, clock, place) as b:
        await b.at("12:01:59")
        await b.at("12:02:00")
        assert await b.moments(job) == ["12:01:00", "12:02:00", "12:02:00"]


async def test_a_run_that_still_goes_on_lets_the_next_be_skipped(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.target.may_answer = anyio.Event()
        job = await b.add_job("* * * * * *")
        await b.at("12:00:31")
        await b.at("12:00:32")
        b.target.may_answer.set()
        skipped, first = await b.activities(job)
        assert (first.success, skipped.success, skipped.status_code) == (True, False, None)
        assert skipped.log is not None
        assert "12:00:31" in skipped.log
        await b.at("12:00:33")
        newest, *_ = await b.activities(job)
        assert newest.success
        assert len(b.target.asked) == 2


async def test_a_suspended_job_runs_again_from_the_next_moment_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        await b.store.cronjobs.suspend(job)
        await b.at("12:01:00")
        b.clock.set("12:02:02")
        await b.store.cronjobs.unsuspend(job)
        await b.at("12:02:03")
        await b.at("12:03:00")
        assert await b.moments(job) == ["12:03:00"]


async def test_a_changed_job_follows_its_new_schedule(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        await b.at("12:00:40")
        await b.store.cronjobs.update(
            job, name="tock", schedule="0 13 * * *", settings={"path": "/tock", "method": "GET"}
        )
        await b.at("12:01:00")
        await b.at("13:00:00")
        assert await b.moments(job) == ["13:00:00"]
        assert b.target.asked[0].startswith("GET /tock ")


async def test_a_deleted_job_is_not_run(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job = await b.add_job()
        await b.at("12:00:59")
        await b.store.cronjobs.remove(job)
        await b.at("12:01:00")
        assert await b.activities(job) == []
        assert b.target.asked == []


async def test_a_hundred_activities_are_kept_and_ten_shown(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        job_id = await b.add_job("* * * * * *")
        (job,) = await b.store.cronjobs.scheduled()
        moments = [b.clock() + timedelta(seconds=second) for second in range(1, 106)]
        await b.store.cronjobs.claim([Due(job=job, moment=m, skipped="test") for m in moments])
        assert len(await b.activities(job_id)) == 10
        assert (await b.moments(job_id))[-1] == "12:02:15"
        with closing(sqlite3.connect(tmp_path / "platform.db")) as database:
            (kept,) = database.execute("SELECT count(*) FROM cronjob_activities").fetchone()
        assert kept == 100
