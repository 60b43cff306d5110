"""Logs that are followed from an engine, whatever it sends."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.container_logs import FollowedLog
from createos_mcp.platform.engines.docker_api import DockerApi

STDOUT, SYSTEM_ERROR = 1, 3
FIRST = b"2026-11-26T03:56:21.000000001Z one\n"
SECOND = b"2026-11-26T03:56:22.000000002Z two\n"


def frame(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[tuple[DockerApi, list[bytes]]]:
    """An engine that answers with what is put into the list, one answer after the other."""
    answers: list[bytes] = []

    async def version(_request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})

    async def logs(_request: web.Request) -> web.Response:
        return web.Response(body=answers.pop(0) if answers else b"")

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_get("/v1.41/services/s/logs", logs)
    runner = web.AppRunner(app)
    await runner.setup()
    place = f"/tmp/createos-logs-{tmp_path.parent.name}-{tmp_path.name[-8:]}.sock"
    await web.UnixSite(runner, place).start()
    async with DockerApi(f"unix://{place}") as api:
        yield api, answers
    await runner.cleanup()
    Path(place).unlink(missing_ok=True)


def log_of(api: DockerApi, tmp_path: Path) -> FollowedLog:
    return FollowedLog(api, "services/s/logs", log_file=tmp_path / "1.log", mark=tmp_path / "mark")


async def test_an_error_of_the_engine_is_no_line_and_reading_goes_on_after_it(
    engine: tuple[DockerApi, list[bytes]], tmp_path: Path
) -> None:
    api, answers = engine
    broken = frame(SYSTEM_ERROR, b"Error grabbing logs: rpc error: code = Unknown")
    answers += [frame(STDOUT, FIRST) + broken, frame(STDOUT, FIRST + SECOND)]
    followed = log_of(api, tmp_path)
    with anyio.fail_after(20):
        await followed.follow()
    followed.close()
    lines = (tmp_path / "1.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["one", "two"]
    assert (tmp_path / "mark").read_text() == "2026-11-26T03:56:22.000000002Z 1"


async def test_lines_of_one_moment_are_told_apart_by_their_number(
    engine: tuple[DockerApi, list[bytes]], tmp_path: Path
) -> None:
    api, answers = engine
    stamp = FIRST.partition(b" ")[0]
    alike = [frame(STDOUT, stamp + b" same\n")] * 5
    for count in (2, 3, 5):
        answers.append(b"".join(alike[:count]))
        followed = log_of(api, tmp_path)
        await followed.drain()
        followed.close()
        written = (tmp_path / "1.log").read_text().splitlines()
        assert len(written) == count
    answers.append(b"".join(alike) + frame(STDOUT, SECOND))
    followed = log_of(api, tmp_path)
    await followed.drain()
    followed.close()
    assert len((tmp_path / "1.log").read_text().splitlines()) == 6


async def test_a_line_that_comes_in_parts_is_one(
    engine: tuple[DockerApi, list[bytes]], tmp_path: Path
) -> None:
    api, answers = engine
    stamp = FIRST.partition(b" ")[0]
    parts = (b" one 20", b" 2026-11-26T03:56:21Z", b" and\n", b" two\n")
    answers.append(b"".join(frame(STDOUT, stamp + part) for part in parts))
    followed = log_of(api, tmp_path)
    await followed.drain()
    followed.close()
    lines = (tmp_path / "1.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["one 202026-11-26T03:56:21Zand", "two"]


async def test_a_mark_of_a_moment_alone_stands_for_all_its_lines(
    engine: tuple[DockerApi, list[bytes]], tmp_path: Path
) -> None:
    api, answers = engine
    (tmp_path / "mark").write_text("2026-11-26T03:56:21.000000001Z")
    answers.append(frame(STDOUT, FIRST + FIRST + SECOND))
    followed = log_of(api, tmp_path)
    await followed.drain()
    followed.close()
    assert len((tmp_path / "1.log").read_text().splitlines()) == 1


@pytest.mark.parametrize("mark", ["", "Error.000000000Z", "nonsense"])
async def test_a_mark_that_cannot_be_read_begins_anew(
    engine: tuple[DockerApi, list[bytes]], tmp_path: Path, mark: Json
) -> None:
    api, answers = engine
    (tmp_path / "mark").write_text(mark)
    answers.append(frame(STDOUT, b"no stamp at all\n" + FIRST))
    followed = log_of(api, tmp_path)
    await followed.drain()
    followed.close()
    assert (tmp_path / "1.log").read_text().endswith(" one\n")
