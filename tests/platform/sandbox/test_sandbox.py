import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

LOOK = """
import glob, json, os, pathlib
def look(path):
    try:
        return pathlib.Path(path).read_text()[:50]
    except OSError as error:
        return type(error).__name__
def write(path):
    try:
        pathlib.Path(path).write_text("x")
        return "written"
    except OSError as error:
        return type(error).__name__
SEEN = json.dumps({
    "key": look(os.environ["KEY_FILE"]),
    "home": look(os.environ["HOME_FILE"]),
    "pids": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
    "environ": dict(os.environ),
    "usr": write("/usr/escaped"),
    "own": write("state.txt"),
    "tmp": write("/tmp/scratch"),
    "cwd": os.getcwd(),
})
"""

TELLING = LOOK + ANSWERING.replace('os.environ.get("GREETING", "hello")', "SEEN")

GREEDY = ANSWERING.replace(
    'os.environ.get("GREETING", "hello").encode()',
    'b"".join(b"x" * (time.sleep(0.02) or 2**24) for _ in range(192))',
).replace("import http.server, os", "import http.server, os, time")


@asynccontextmanager
async def confined_app(root: Path, **variables: str) -> AsyncIterator[tuple[Api, Json]]:
    async with running_platform(root) as api:
        deployment = await api.deploy({"main.py": TELLING}, runEnvs=variables)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        if deployment["extra"]["isolation"] == "none":
            pytest.skip("bubblewrap does not work on this machine")
        yield api, deployment


async def test_an_app_sees_its_own_files_and_nothing_of_the_platform_or_the_user(
    tmp_path: Path,
) -> None:
    root, other = tmp_path / "data", tmp_path / "diary.txt"
    other.write_text("private")
    async with confined_app(root, KEY_FILE=str(root / "key"), HOME_FILE=str(other)) as (_, app):
        seen = json.loads(await read_page(app["extra"]["endpoint"]))
    assert seen["key"] == "FileNotFoundError"
    assert seen["home"] == "FileNotFoundError"
    assert seen["usr"] != "written"
    assert seen["own"] == seen["tmp"] == "written"
    assert len(seen["pids"]) < 10
    assert os.getpid() not in seen["pids"]


async def test_an_app_gets_port_and_its_variables_and_no_others_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CLOUD_PASSWORD", "hunter2")
    variables = {"KEY_FILE": "/", "HOME_FILE": "/", "MINE": "yes"}
    async with confined_app(tmp_path, **variables) as (_, app):
        environ = json.loads(await read_page(app["extra"]["endpoint"]))["environ"]
    assert environ["MINE"] == "yes"
    assert environ["PORT"] == "3000"
    assert "hunter2" not in str(environ)
    assert not [name for name in environ if name.startswith("CREATEOS")]


@pytest.mark.parametrize("watched", [False, True], ids=["by-system", "by-launcher"])
async def test_an_app_that_takes_more_memory_than_it_has_is_ended_alone_and_the_log_says_so(
    tmp_path: Path, *, watched: bool
) -> None:
    changes: Json = {"cgroup_root": tmp_path / "no-groups-here"} if watched else {}
    async with running_platform(tmp_path / "data", **changes) as api:
        deployment = await api.deploy({"main.py": GREEDY})
        assert deployment["extra"]["limits"] == "watched" or not watched
        neighbor = await api.deploy({"main.py": ANSWERING}, name="neighbor")
        await read_page(deployment["extra"]["endpoint"])
        crashing = await api.wait(deployment["projectId"], deployment["id"], "crashing")
        assert "memory" in crashing["reason"]
        assert await read_page(neighbor["extra"]["endpoint"]) == "hello"


async def test_without_a_sandbox_apps_run_as_plain_processes_and_say_so(tmp_path: Path) -> None:
    async with running_platform(tmp_path, isolation="none") as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert deployment["extra"]["isolation"] == "none"
        assert await read_page(deployment["extra"]["endpoint"]) == "hello"
