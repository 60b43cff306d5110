"""The database is copied as it changes, and comes back on another machine."""

import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from psutil import process_iter

from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.copies import DatabaseCopy, read_copy
from createos_mcp.platform.errors import ArchiveError
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.platforms import another_user, processes_of, running_platform


@pytest.fixture(scope="module")
def toolchains(tmp_path_factory: pytest.TempPathFactory) -> Toolchains:
    return Toolchains(directory=tmp_path_factory.mktemp("tools"), environ=os.environ)


async def read(
    place: str, data_dir: DataDir, toolchains: Toolchains, keys: Path | None = None
) -> None:
    async def unheard(_lines: object) -> None:
        return

    await read_copy(
        place,
        keys,
        data_dir,
        fetch=lambda package: toolchains.library(package, unheard),
        environ=os.environ,
    )


async def names_in(place: Path, target: Path, toolchains: Toolchains) -> list[str]:
    """The projects that a copy of the present moment has."""
    data_dir = DataDir(target)
    await read(str(place), data_dir, toolchains)
    with closing(sqlite3.connect(data_dir.database)) as database:
        return [
            name
            for (name,) in database.execute("SELECT unique_name FROM projects ORDER BY unique_name")
        ]


async def test_what_was_acknowledged_is_on_the_other_side_a_moment_later(
    tmp_path: Path, toolchains: Toolchains
) -> None:
    place = tmp_path / "copy"
    async with running_platform(tmp_path / "old", copy_to=str(place)) as api:
        for name in ("one-app", "two-app"):
            await api.create_project(name)
        told = await eventually(
            lambda: api.get("/status"), lambda page: page["copy"]["problem"] is None
        )
        (copying,) = [line for line in processes_of(place) if "litestream" in line]
        await anyio.sleep(3)
        found = await names_in(place, tmp_path / "lost", toolchains)
        await api.create_project("three-app")
    # At its end what is left is copied, too.
    found_at_end = await names_in(place, tmp_path / "new", toolchains)
    assert told["copy"]["to"] == str(place)
    assert copying
    assert found == ["one-app", "two-app"]
    assert found_at_end == ["one-app", "three-app", "two-app"]
    assert processes_of(place) == []
    assert (place / "sealing.key").stat().st_mode & 0o077 == 0
    async with running_platform(tmp_path / "new") as api:
        assert {row["uniqueName"] for row in (await api.get("/v1/projects"))["data"]} == {
            *found_at_end
        }


async def test_copying_goes_on_after_its_process_was_killed(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    async with running_platform(tmp_path / "data", copy_to=str(place)) as api:
        first = await eventually(_pids_of_litestream(place), lambda pids: len(pids) == 1)
        os.kill(first[0], signal.SIGKILL)
        await eventually(_pids_of_litestream(place), lambda pids: pids not in ([], first))
        await eventually(lambda: api.get("/status"), lambda page: page["copy"]["problem"] is None)


def _pids_of_litestream(place: Path) -> Callable[[], Awaitable[list[int]]]:
    async def look() -> list[int]:
        lines = {p.pid: " ".join(p.info["cmdline"] or ()) for p in process_iter(["cmdline"])}
        return [pid for pid, line in lines.items() if "replicate" in line and str(place) in line]

    return look


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://bucket/path", "--keys"),
        ("{tmp}/nothing", "has no file key"),
        ("{tmp}/empty", "There is no copy at"),
    ],
)
async def test_what_is_no_copy_is_refused_and_nothing_is_left(
    tmp_path: Path, toolchains: Toolchains, place: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("key", "sealing.key"):
        (tmp_path / "empty" / name).write_text("a key")
    data_dir = DataDir(tmp_path / "new")
    with pytest.raises(ArchiveError, match=said):
        await read(place.format(tmp=tmp_path), data_dir, toolchains)
    assert not data_dir.database.exists()


async def test_a_platform_is_never_overwritten(tmp_path: Path, toolchains: Toolchains) -> None:
    data_dir = DataDir(tmp_path / "data")
    data_dir.create()
    data_dir.database.write_bytes(b"mine")
    with pytest.raises(ArchiveError, match="contains a platform"):
        await read(str(tmp_path), data_dir, toolchains)
    assert data_dir.database.read_bytes() == b"mine"


async def test_keys_of_another_platform_are_never_replaced_and_the_owner_is_told(
    tmp_path: Path,
) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    (place / "sealing.key").write_text("of another one")
    async with running_platform(tmp_path / "data", copy_to=str(place)) as api:
        told = await eventually(
            lambda: api.get("/status"), lambda page: "another platform" in page["copy"]["problem"]
        )
        async with another_user(api) as alice:
            assert (await alice.get("/status"))["copy"] is None
    assert told["copy"]["to"] == str(place)
    assert (place / "sealing.key").read_text() == "of another one"


async def test_a_place_that_cannot_be_written_is_told_as_the_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with running_platform(tmp_path / "data", copy_to=str(tmp_path / "file" / "x")) as api:
        await eventually(
            lambda: api.get("/status"),
            lambda page: page["copy"]["problem"] not in {None, "it has not begun"},
        )


def test_what_lets_somebody_into_a_store_is_not_shown(tmp_path: Path) -> None:
    async def fetch(_package: str) -> Path:
        return tmp_path

    copy = DatabaseCopy(
        DataDir(tmp_path),
        "sftp://user:secret@host:22/path?key=secret",
        fetch=fetch,
        environ={},
        say=print,
    )
    assert copy.place == "sftp://host:22/path"
