"""Backups of the whole platform: on another machine everything is there again."""

from pathlib import Path

import pytest

from createos_mcp.platform.archives import new_identity, read_archive, write_archive
from createos_mcp.platform.errors import ArchiveError
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.platforms import another_user, running_platform
from tests.platform.services.databases import (
    COUNTER_APP,
    TODO_APP,
    create_service,
    deploy_bound,
    page_of,
    post,
)
from tests.platform.services.test_volumes import deploy_keeping

pytestmark = pytest.mark.examples


async def test_apps_databases_and_volumes_come_back_on_another_machine(tmp_path: Path) -> None:
    old, new = DataDir(tmp_path / "old"), DataDir(tmp_path / "new")
    archive = tmp_path / "all.age"
    async with running_platform(old.root) as api:
        database = await create_service(api)
        todo = await deploy_bound(api, TODO_APP, database, "todo-app")
        cache = await create_service(api, "valkey", "counts")
        counter = await deploy_bound(api, COUNTER_APP, cache, "counter")
        keeping = await deploy_keeping(api, "keeping")
        assert await page_of(api, todo, "/add/milk") == "milk"
        assert [await page_of(api, counter) for _ in range(2)] == ["1", "2"]
        assert await page_of(api, keeping, "/add/file") == "file,"
        async with another_user(api) as alice:
            assert (await alice.request("POST", "/service-backups"))[0] == 403
        assert await post(api, "/service-backups") == {"backups": 2}
        write_archive(old, archive, new_identity(tmp_path / "key"))
        key = old.key_file.read_text().strip()
    assert key.encode() not in archive.read_bytes()
    assert read_archive(archive, tmp_path / "key", new) == 2
    async with running_platform(new.root) as api:
        await eventually(lambda: page_of(api, todo), lambda page: page == "milk")
        await eventually(lambda: page_of(api, keeping), lambda page: page == "file,")
        await eventually(lambda: page_of(api, counter), lambda page: page.isdigit() and page >= "3")
        assert await page_of(api, todo, "/add/bread") == "milk,bread"


def test_what_is_no_archive_no_key_or_no_empty_place_is_refused(tmp_path: Path) -> None:
    here = DataDir(tmp_path / "here")
    here.create()
    here.database.touch()
    (tmp_path / "text").write_text("neither")
    new_identity(tmp_path / "key")
    there = DataDir(tmp_path / "there")
    with pytest.raises(ArchiveError, match="contains a platform"):
        read_archive(tmp_path / "text", tmp_path / "key", here)
    with pytest.raises(ArchiveError, match="has no age key"):
        read_archive(tmp_path / "text", tmp_path / "text", there)
    with pytest.raises(ArchiveError, match="cannot be opened"):
        read_archive(tmp_path / "text", tmp_path / "key", there)
    with pytest.raises(ArchiveError, match="is not a public age key"):
        write_archive(here, tmp_path / "out", "age1nonsense")
    with pytest.raises(ArchiveError, match="cannot be made"):
        new_identity(tmp_path / "key")
    assert not (tmp_path / "out").exists()
