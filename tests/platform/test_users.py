"""Several users on one platform: each sees and changes what is theirs, and nothing else."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import NameTakenError, UserNameError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.users import add_user, list_users
from tests.eventually import eventually
from tests.platform.belongings import CALLS, belongings, kind_of, send, with_ids
from tests.platform.platforms import another_user, running_platform

REFUSED = {403, 404}


@pytest.mark.parametrize("name", ["a", "Alice.B_c-9", "x" * 48])
async def test_a_user_is_added_to_a_platform_that_has_not_run_and_comes_after_its_owner(
    name: str, tmp_path: Path
) -> None:
    user, key = await add_user(DataDir(tmp_path), name)
    assert [u.name for u in await list_users(DataDir(tmp_path))] == ["local", name]
    async with running_platform(tmp_path) as api:
        assert (await api.get("/v1/users/me"))["displayName"] == "local"
        answer = await api.client.get("/v1/users/me", headers={"X-Api-Key": key})
    assert answer.json()["data"]["id"] == user.id


@pytest.mark.parametrize("name", ["", "x" * 49, "two words", "a/b", "ä", "a\n", "a\0"])
async def test_a_user_name_of_another_form_is_refused_with_the_form(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(UserNameError, match="1-48 letters"):
        await add_user(DataDir(tmp_path), name)


async def test_a_users_name_is_theirs_whatever_its_case(tmp_path: Path) -> None:
    await add_user(DataDir(tmp_path), "alice")
    for name in ("alice", "Alice", "local"):
        with pytest.raises(NameTakenError, match=name):
            await add_user(DataDir(tmp_path), name)


async def test_nobody_is_listed_before_the_platform_has_run(tmp_path: Path) -> None:
    assert await list_users(DataDir(tmp_path)) == []
    assert not (tmp_path / "platform.db").exists()


async def test_a_key_ends_at_its_expiry(tmp_path: Path) -> None:
    moment = datetime.now(UTC)
    async with running_platform(tmp_path, now=lambda: moment) as api:
        expiry = (moment + timedelta(hours=1)).isoformat()
        body = {"name": "an-hour", "expiryAt": expiry}
        _, key = await api.request("POST", "/v1/api-keys", json=body)
        headers = {"X-Api-Key": key["secret"]}
        moment += timedelta(minutes=59)
        assert (await api.client.get("/v1/projects", headers=headers)).status_code == 200
        moment += timedelta(minutes=1)
        answer = await api.client.get("/v1/projects", headers=headers)
        assert (answer.status_code, "expired" in answer.json()["data"]) == (401, True)


async def test_two_users_may_use_the_same_names(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        assert await api.create_project() != await other.create_project()
        assert (await other.get("/v1/quotas"))["projects"]["current"] == 1


async def test_what_one_user_owns_does_not_exist_for_another_in_any_operation(
    tmp_path: Path,
) -> None:
    # A clock that stands still, so that no cron job changes anything meanwhile.
    moment = datetime.now(UTC).replace(minute=2)
    async with running_platform(tmp_path, now=lambda: moment) as api, another_user(api) as other:
        foreign, own = await belongings(api, "theirs"), await belongings(other, "mine")
        before = rows_about(tmp_path, foreign)
        for operation, arguments in CALLS:
            for tried in trespasses(operation, arguments, own, foreign):
                answer = await send(other, operation, tried)
                by_token = answer.status_code == 401 and "token" in tried
                assert answer.status_code in REFUSED or by_token, (operation.name, tried)
                assert_tells_nothing(answer, tried, foreign)
        for operation, arguments in CALLS:
            assert_tells_nothing(
                await send(other, operation, with_ids(arguments, own)), arguments, foreign
            )
        assert rows_about(tmp_path, foreign) == before


def trespasses(
    operation: Operation,
    arguments: Mapping[str, Json],
    own: Mapping[str, str],
    foreign: Mapping[str, str],
) -> Iterator[dict[str, Json]]:
    """The call with each id in turn, and then all of them, those of another user."""
    ids = [name for name in operation.input_schema["properties"] if kind_of(name) in foreign]
    at_home = with_ids({**dict.fromkeys(ids, ""), **arguments}, own)
    abroad = {name: value for name, value in with_ids(at_home, foreign).items() if name in ids}
    for name in ids:
        yield {**at_home, name: abroad[name]}
    if len(ids) > 1:
        yield {**at_home, **abroad}


def assert_tells_nothing(
    answer: httpx2.Response, asked: Mapping[str, Json], foreign: Mapping[str, str]
) -> None:
    unknown = {value for value in foreign.values() if value not in str(asked)}
    for word in (*unknown, "theirs"):
        assert word not in answer.text


def rows_about(root: Path, owned: Mapping[str, str]) -> list[tuple[str, Json]]:
    """Everything that the database holds about these resources."""
    ids, found = set(owned.values()), []
    with closing(sqlite3.connect(root / "platform.db")) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in names:
            rows = database.execute(f"SELECT * FROM {table}")  # noqa: S608 - from its schema
            found += [(table, row) for row in rows if ids & set(row)]
    return sorted(found, key=repr)


async def test_only_the_owner_of_the_machine_sees_what_all_users_run(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        deployment = await alice.deploy({"index.html": "hers"}, "her-app")
        await api.create_project("his-app")
        (seen,) = (await alice.get("/status"))["apps"]
        assert (seen["project"], seen["version"]) == ("her-app", 1)
        assert seen["newest"]["id"] == deployment["id"]
        assert (await alice.client.get("/status", headers={"X-Api-Key": ""})).status_code == 401
        hers, his = sorted((await api.get("/status"))["apps"], key=lambda app: app["project"])
        address = (await alice.environment(deployment["projectId"]))["extra"]["endpoint"]
    assert (hers["user"], hers["project"], hers["environment"]) == (
        "alice",
        "her-app",
        "production",
    )
    assert (hers["status"], hers["endpoint"]) == ("deployed", address)
    assert hers["replicas"] == {"running": 1, "wanted": 1}
    assert 2**20 < hers["memoryBytes"] < hers["memoryMb"] * 2**20
    assert hers["isolation"] == deployment["extra"]["isolation"]
    assert hers["limits"] == deployment["extra"]["limits"]
    assert (his["user"], his["status"], his["memoryBytes"]) == ("local", None, 0)
    assert his["replicas"] == {"running": 0, "wanted": 1}


async def test_where_nothing_confines_code_only_the_owner_of_the_machine_may_deploy(
    tmp_path: Path,
) -> None:
    files = {"files": [{"path": "index.html", "content": "x"}]}
    async with running_platform(tmp_path, isolation="none") as api, another_user(api) as other:
        project_id = await other.create_project()
        path = f"/v1/projects/{project_id}/deployments"
        status, message = await other.request("PUT", f"{path}/files", json=files)
        assert (status, "bubblewrap" in message) == (403, True)
        deployment = await api.deploy({"index.html": "x"})
        assert deployment["status"] == "deployed"
        assert deployment["extra"]["isolation"] == "none"
        assert "turned off" in deployment["extra"]["notEnforced"]["files"]


async def test_an_app_of_another_user_is_not_started_again_where_nothing_confines_it(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as other:
        deployment = await other.deploy({"index.html": "x"})
        key = other.client.headers["X-Api-Key"]
        project_id = deployment["projectId"]
        address = (await other.environment(project_id))["extra"]["endpoint"]
    async with running_platform(tmp_path, isolation="none") as api:
        path = f"/v1/projects/{project_id}/deployments/{deployment['id']}"

        async def look() -> str:
            answer = await api.client.get(path, headers={"X-Api-Key": key})
            status: str = answer.json()["data"]["status"]
            return status

        await eventually(look, lambda status: status not in {"deployed", "deploying"})
        async with httpx2.AsyncClient() as client:
            assert (await client.get(address)).status_code == 503
