"""Spares of what builds keep: copied by the shell in a sandbox, moved by the platform."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from createos_mcp.platform.background import Background
from createos_mcp.platform.build.carryovers import Carryover, place_of
from createos_mcp.platform.build.spares import Spare, Spares
from createos_mcp.platform.build.steps import Steps
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.models import BuildJob
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.sandbox import Sandbox
from tests.eventually import until
from tests.platform.platforms import Api, read_page, running_platform

KEPT = Carryover(name="dependencies", paths=("node_modules", "a b/node_modules"))
SPARE = Spare(kept=KEPT, key="key")


@asynccontextmanager
async def spares_in(root: Path) -> AsyncIterator[Spares]:
    config = PlatformConfig(data_dir=DataDir(root / "data"), cgroup_root=root / "no-groups")
    async with anyio.create_task_group() as tasks:
        sandbox = Sandbox(name="none")
        yield Spares(steps=Steps(config), sandbox=sandbox, background=Background(tasks))


def job_in(root: Path, name: str) -> BuildJob:
    release = root / name
    (release / "app/web/a b").mkdir(parents=True)
    return BuildJob(
        deployment_id=name,
        project_id="one",
        source_dir=root / "source",
        release_dir=release,
        settings={},
    )


def kept_in(root: Path) -> Path:
    """A cache in which something is kept, and where."""
    cache = root / "cache"
    for path in KEPT.paths:
        directory = place_of(KEPT, SPARE.key, cache) / path
        directory.mkdir(parents=True)
        (directory / "module").write_text("installed")
    return cache


async def make(spares: Spares, job: BuildJob, cache: Path) -> None:
    """Make a spare, and return once it is there."""
    spares.make(SPARE, job=job, cache=cache)
    await until((cache / SPARE.place).is_dir)


def names(directory: Path) -> set[str]:
    return {
        file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()
    }


async def test_a_spare_is_a_copy_that_the_next_build_gets_whole_and_once(tmp_path: Path) -> None:
    cache = kept_in(tmp_path)
    first, second = job_in(tmp_path, "first"), job_in(tmp_path, "second")
    async with spares_in(tmp_path) as spares:
        await make(spares, first, cache)
        taken = [
            await spares.take(SPARE, job=job, cache=cache, folder="web") for job in (first, second)
        ]

    assert taken == [True, False]
    assert names(first.release_dir) == {f"app/web/{path}/module" for path in KEPT.paths}
    assert names(second.release_dir) == set()
    assert names(place_of(KEPT, SPARE.key, cache)) == {f"{path}/module" for path in KEPT.paths}


async def test_a_spare_of_other_dependencies_is_taken_by_nobody(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    other = Spare(kept=KEPT, key="other")
    async with spares_in(tmp_path) as spares:
        await make(spares, job, cache)
        assert not await spares.take(other, job=job, cache=cache, folder="web")


async def test_two_builds_of_a_project_that_end_at_once_make_one_spare(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    async with spares_in(tmp_path) as spares:
        spares.make(SPARE, job=job, cache=cache)
        await make(spares, job, cache)
        assert await spares.take(SPARE, job=job, cache=cache, folder="web")
    assert names(job.release_dir) == {f"app/web/{path}/module" for path in KEPT.paths}


async def test_a_build_does_not_wait_for_a_spare_that_is_being_made(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    async with spares_in(tmp_path) as spares:
        spares.make(SPARE, job=job, cache=cache)
        assert not await spares.take(SPARE, job=job, cache=cache, folder="web")
        await make(spares, job, cache)
        assert await spares.take(SPARE, job=job, cache=cache, folder="web")


async def test_what_an_upload_has_itself_is_not_replaced(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    for path in KEPT.paths:
        own = job.release_dir / "app/web" / path
        own.mkdir()
        (own / "module").write_text("uploaded")
    async with spares_in(tmp_path) as spares:
        await make(spares, job, cache)
        assert not await spares.take(SPARE, job=job, cache=cache, folder="web")
    assert (job.release_dir / "app/web/node_modules/module").read_text() == "uploaded"


async def test_what_an_upload_has_a_part_of_itself_is_copied_whole(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    (job.release_dir / "app/web/node_modules").mkdir()
    (job.release_dir / "app/web/node_modules/own").write_text("uploaded")
    async with spares_in(tmp_path) as spares:
        await make(spares, job, cache)
        assert not await spares.take(SPARE, job=job, cache=cache, folder="web")
    assert [place.name for place in job.release_dir.iterdir()] == ["app"]


@pytest.mark.parametrize("link", ["spare", "spare/dependencies", "spare/dependencies/key"])
async def test_no_link_in_a_cache_leads_to_what_is_not_the_projects(
    tmp_path: Path, link: str
) -> None:
    cache, job = tmp_path / "cache", job_in(tmp_path, "first")
    outside = tmp_path / "outside"
    for place in (outside, outside / "dependencies/key", outside / "key"):
        (place / "node_modules").mkdir(parents=True)
        (place / "node_modules/secret").write_text("of others")
    (cache / link).parent.mkdir(parents=True)
    (cache / link).symlink_to(outside)
    before = names(outside)

    async with spares_in(tmp_path) as spares:
        assert not await spares.take(SPARE, job=job, cache=cache, folder="web")
    assert names(outside) == before
    assert names(job.release_dir) == set()


async def test_no_link_in_an_upload_leads_out_of_the_app(tmp_path: Path) -> None:
    cache, job = kept_in(tmp_path), job_in(tmp_path, "first")
    outside = tmp_path / "outside"
    outside.mkdir()
    (job.release_dir / "app/web/a b").rmdir()
    (job.release_dir / "app/web/a b").symlink_to(outside)
    async with spares_in(tmp_path) as spares:
        await make(spares, job, cache)
        assert not await spares.take(SPARE, job=job, cache=cache, folder="web")
    assert names(outside) == set()
    assert names(job.release_dir / "app") == {"web/node_modules/module"}


REQUIRING = {
    "requirements.txt": "six==1.16.0\n",
    "main.py": """
import http.server, os, pathlib, six
module = pathlib.Path(six.__file__)
answer = six.__version__.encode()
with module.open("a") as file:
    file.write("\\n__version__ = 'changed by the app'\\n")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)


http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
""",
}


async def made(api: Api, project_id: str) -> None:
    """Wait for the spare of a project."""
    spares = DataDir(api.data_dir).cache / project_id / "spare"
    await until(lambda: [*spares.glob("dependencies/*/.venv")])


@pytest.mark.examples
async def test_versions_that_were_given_spares_do_not_change_one_another(tmp_path: Path) -> None:
    """The app changes its own module when it starts, and shows what it found."""
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        for _ in range(3):
            deployment = await api.wait(project_id, await api.upload(project_id, REQUIRING))
            assert deployment["status"] == "deployed", await api.build_log(deployment)
            assert await read_page(deployment["extra"]["endpoint"]) == "1.16.0"
            await made(api, project_id)
        log = await api.build_log(deployment)
    assert "Taking over the dependencies" in log
