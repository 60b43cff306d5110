"""Transfers: a project changes hands once for each token, with all that belongs to it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from createos_mcp.contract.values import Json
from tests.platform.daemons import daemon_client, environ, stopped_at_the_end
from tests.platform.platforms import Api, another_user, read_page, running_platform


async def link_of(api: Api, project_id: str) -> Json:
    return await api.get(f"/v1/projects/{project_id}/transfer-uri")


async def take_over(api: Api, project_id: str, token: str) -> tuple[int, Json]:
    path = f"/v1/projects/{project_id}/transfer"
    return await api.request("GET", path, params={"token": token})


async def history(api: Api, project_id: str) -> list[tuple[str, str]]:
    rows = await api.get(f"/v1/projects/{project_id}/transfer-history")
    assert all(row["projectId"] == project_id and row["createdAt"] for row in rows)
    return [(row["fromUserId"], row["toUserId"]) for row in rows]


async def user_id(api: Api) -> str:
    found: str = (await api.get("/v1/users/me"))["id"]
    return found


async def test_a_project_changes_hands_with_its_deployments_and_addresses_and_leaves_its_app(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        _, app = await api.request("POST", "/v1/apps", json={"name": "Shop"})
        deployment = await api.deploy({"index.html": "still here"}, runEnvs={"KEPT": "yes"})
        project_id = deployment["projectId"]
        members = {"projectIds": [project_id]}
        await api.request("POST", f"/v1/apps/{app['id']}/projects", json=members)
        environment = await api.environment(project_id)
        del environment["extra"]["usage"]  # of each moment
        link = await link_of(api, project_id)

        assert (await take_over(alice, project_id, link["token"]))[0] == 200

        assert (await api.request("GET", f"/v1/projects/{project_id}"))[0] == 404
        project = await alice.get(f"/v1/projects/{project_id}")
        assert (project["userId"], project["appId"]) == (await user_id(alice), None)
        assert project["settings"]["runEnvs"] == {"KEPT": "yes"}
        taken = await alice.environment(project_id)
        del taken["extra"]["usage"]
        assert taken == environment
        shown = await alice.get(f"/v1/projects/{project_id}/deployments/{deployment['id']}")
        assert shown == deployment
        assert await read_page(environment["extra"]["endpoint"]) == "still here"
        assert (await api.get(f"/v1/apps/{app['id']}/projects"))["data"] == []


async def test_the_answer_has_the_token_once_for_six_hours_and_says_what_to_run(
    tmp_path: Path,
) -> None:
    moment = datetime.now(UTC)
    async with (
        running_platform(tmp_path, now=lambda: moment) as api,
        another_user(api) as alice,
    ):
        project_id = await api.create_project()
        link = await link_of(api, project_id)
        ends = datetime.fromisoformat(link["expiresAt"])
        assert timedelta(0) <= moment + timedelta(hours=6) - ends < timedelta(seconds=1)
        assert str(link).count(link["token"]) == 1
        assert f"TransferProject project_id={project_id} token=TOKEN" in link["next"]
        path = f"/v1/projects/{project_id}/transfer?token={link['token']}"
        assert (await alice.request("GET", path))[0] == 200


async def test_an_expired_token_is_401(tmp_path: Path) -> None:
    moment = datetime.now(UTC)
    async with (
        running_platform(tmp_path, now=lambda: moment) as api,
        another_user(api) as alice,
    ):
        project_id = await api.create_project()
        token = (await link_of(api, project_id))["token"]
        moment += timedelta(hours=6)
        status, message = await take_over(alice, project_id, token)
        assert (status, "expired" in message) == (401, True)
        assert (await api.request("GET", f"/v1/projects/{project_id}"))[0] == 200


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "nonsense",
        lambda _: "ü",
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: jwt.encode(claims(token), "x" * 32, algorithm="HS256"),
        lambda token: jwt.encode(claims(token), "", algorithm="none"),
    ],
    ids=["nonsense", "not ASCII", "changed", "signed by another", "not signed"],
)
async def test_a_token_that_this_platform_did_not_make_is_401(forge: Json, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        project_id = await api.create_project()
        token = (await link_of(api, project_id))["token"]
        status, message = await take_over(alice, project_id, forge(token))
        assert (status, "new one" in message) == (401, True)
        assert (await api.request("GET", f"/v1/projects/{project_id}"))[0] == 200


def claims(token: str) -> Json:
    return jwt.decode(token, options={"verify_signature": False})


async def test_a_token_is_good_for_one_transfer_and_the_history_shows_the_newest_first(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        project_id = await api.create_project()
        token = (await link_of(api, project_id))["token"]
        await take_over(alice, project_id, token)
        back = (await link_of(alice, project_id))["token"]
        assert (await take_over(api, project_id, back))[0] == 200
        status, message = await take_over(alice, project_id, token)
        assert (status, "used" in message) == (401, True)
        owner, other = await user_id(api), await user_id(alice)
        assert await history(api, project_id) == [(other, owner), (owner, other)]


async def test_a_token_goes_with_its_project_its_maker_and_another_receiver(
    tmp_path: Path,
) -> None:
    async with (
        running_platform(tmp_path) as api,
        another_user(api) as alice,
        another_user(api, "bob") as bob,
    ):
        one, two = await api.create_project("project-one"), await api.create_project("project-two")
        token, late = [(await link_of(api, one))["token"] for _ in range(2)]
        status, message = await take_over(alice, two, token)
        assert (status, "another project" in message) == (403, True)
        status, message = await take_over(api, one, token)
        assert (status, "already own" in message) == (403, True)
        assert (await take_over(alice, one, token))[0] == 200
        status, message = await take_over(bob, one, late)
        assert (status, "no longer owns" in message) == (403, True)


async def test_a_transfer_that_is_refused_leaves_the_token_good(tmp_path: Path) -> None:
    async with (
        running_platform(tmp_path, max_projects=1) as api,
        another_user(api) as alice,
        another_user(api, "bob") as bob,
    ):
        project_id = await api.create_project("shop-web")
        token = (await link_of(api, project_id))["token"]
        await bob.create_project("SHOP-WEB")
        status, message = await take_over(bob, project_id, token)
        assert (status, "shop-web" in message) == (409, True)
        other = await alice.create_project("other-web")
        status, message = await take_over(alice, project_id, token)
        assert (status, "1 projects" in message) == (429, True)
        await alice.request("DELETE", f"/v1/projects/{other}")
        await alice.until_gone(f"/v1/projects/{other}")
        assert (await take_over(alice, project_id, token))[0] == 200


async def test_a_project_that_is_gone_is_404_and_one_being_deleted_is_400(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        deployment = await api.deploy({"index.html": "x"})
        project_id = deployment["projectId"]
        token = (await link_of(api, project_id))["token"]
        await api.request("DELETE", f"/v1/projects/{project_id}")
        status, message = await api.request("GET", f"/v1/projects/{project_id}/transfer-uri")
        assert (status, "deleting" in message) == (400, True)
        assert (await take_over(alice, project_id, token))[0] == 400
        await api.until_gone(f"/v1/projects/{project_id}")
        assert (await take_over(alice, project_id, token))[0] == 404


async def test_tokens_outlive_a_restart_of_the_platform(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        token = (await link_of(api, project_id))["token"]
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        assert (await take_over(alice, project_id, token))[0] == 200


async def test_the_log_holds_no_token_even_of_a_transfer_that_fails_by_a_fault(
    tmp_path: Path,
) -> None:
    async with (
        stopped_at_the_end(tmp_path),
        daemon_client(tmp_path, environ()) as api,
        another_user(api) as alice,
    ):
        project_id = await api.create_project()
        token = (await link_of(api, project_id))["token"]
        with closing(sqlite3.connect(tmp_path / "platform.db")) as database:
            database.execute("UPDATE projects SET settings = 'no JSON'")
            database.commit()
        assert (await take_over(alice, project_id, token))[0] == 500
    log = (tmp_path / "platform.log").read_text()
    assert f"/v1/projects/{project_id}/transfer failed" in log
    assert token not in log
