"""A preview's own copies of the services that its project is bound to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.git.working_copies import (
    Pushed,
    WorkingCopy,
    address_of,
    git_platform,
    vcs_project,
    working_copy,
)
from tests.platform.platforms import Api, read_page
from tests.platform.services.databases import COUNTER_APP, TODO_APP, bind, create_service

pytestmark = pytest.mark.examples

WANTED = {"previewBranches": ["feature/*"], "previewCopies": True}


async def services_of(api: Api) -> dict[str, Json]:
    return {row["name"]: row for row in await api.get("/v1/services")}


async def preview_of(api: Api, project_id: str) -> str:
    rows = await api.get(f"/v1/projects/{project_id}/environments")
    (found,) = [row for row in rows if row["uniqueName"].startswith("preview-")]
    address: str = found["extra"]["endpoint"]
    return address


async def one_of(api: Api, kind: str, name: str, **settings: Json) -> str:
    """A project that is bound to a service of a kind; its ID."""
    project_id = await vcs_project(api, "my-app")
    await bind(api, await create_service(api, kind, name), project_id)
    path = f"/v1/projects/{project_id}/runtime-settings"
    status, told = await api.request("PUT", path, json={**WANTED, **settings})
    assert status == 200, told
    return project_id


async def push_branch(copy: WorkingCopy) -> Pushed:
    """What is said of a branch that gets a preview, after a first version."""
    copy.commit({"index.html": "main"})
    assert (await copy.push("main")).ok
    copy.git("checkout", "--quiet", "-b", "feature/login")
    copy.commit({"index.html": "login"})
    return await copy.push("feature/login")


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """An app that keeps something, and what its pages say then."""

    kind: str
    files: Mapping[str, str]
    before: str
    preview: str
    production: str


@pytest.mark.parametrize(
    "app",
    [
        Keeping(
            kind="postgres",
            files=TODO_APP,
            before="milk",
            preview="milk,bread",
            production="milk,eggs",
        ),
        Keeping(kind="valkey", files=COUNTER_APP, before="1", preview="2", production="2"),
    ],
    ids=lambda app: app.kind,
)
async def test_a_preview_changes_its_own_copy_which_goes_with_it(
    tmp_path: Path, app: Keeping
) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await one_of(api, app.kind, "shop-data")
        copy = working_copy(api, tmp_path / "copy", "my-app")
        copy.commit(dict(app.files))
        assert (await copy.push("main")).ok
        main = await address_of(api, project_id)
        assert await read_page(f"{main}/add/milk") == app.before

        copy.git("checkout", "--quiet", "-b", "feature/login")
        copy.commit({"note.txt": "changed"})
        pushed = await copy.push("feature/login")
        assert "a copy of shop-data" in pushed.said
        preview = await preview_of(api, project_id)
        assert await read_page(f"{preview}/add/bread") == app.preview
        assert await read_page(f"{main}/add/eggs") == app.production
        (name,) = (await services_of(api)).keys() - {"shop-data"}
        assert name.startswith("shop-data-")

        assert (await copy.push("--delete", "feature/login")).ok
        await eventually(lambda: services_of(api), lambda there: there.keys() == {"shop-data"})


async def test_without_the_setting_a_preview_has_no_copy(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        await one_of(api, "valkey", "shop-data", previewCopies=False)
        pushed = await push_branch(working_copy(api, tmp_path / "copy", "my-app"))
        assert "preview-feature-login" in pushed.said
        assert "a copy of" not in pushed.said
        assert (await services_of(api)).keys() == {"shop-data"}


async def test_a_copy_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        await one_of(api, "valkey", "shop-data")
        for number in range(19):
            body = {"name": f"other-{number}", "kind": "valkey"}
            assert (await api.request("POST", "/v1/services", json=body))[0] == 201
        pushed = await push_branch(working_copy(api, tmp_path / "copy", "my-app"))
        assert "REDIS_URL is not there" in pushed.said
        assert len(await services_of(api)) == 20
