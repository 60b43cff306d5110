"""Apps in the API's sense: groups of projects."""

import sqlite3
from contextlib import closing
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.store.database import load_migrations
from tests.platform.platforms import Api, running_platform

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def create_app(api: Api, **changes: Json) -> str:
    status, data = await api.request("POST", "/v1/apps", json={"name": "Shop", **changes})
    assert status == 200, data
    app_id: str = data["id"]
    return app_id


async def members(api: Api, app_id: str) -> list[str]:
    page = await api.get(f"/v1/apps/{app_id}/projects")
    assert page["pagination"]["total"] == len(page["data"])
    return [project["uniqueName"] for project in page["data"]]


async def test_an_app_is_created_changed_listed_and_deleted(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        app_id = await create_app(api, description="All of it")
        (app,) = await api.get("/v1/apps")
        assert (app["id"], app["name"], app["description"]) == (app_id, "Shop", "All of it")
        assert app["color"].startswith("#")
        await api.request("PATCH", f"/v1/apps/{app_id}", json={"name": "Store", "color": "#102030"})
        (app,) = await api.get("/v1/apps")
        assert (app["name"], app["description"], app["color"]) == ("Store", "All of it", "#102030")
        assert (await api.request("DELETE", f"/v1/apps/{app_id}"))[0] == 200
        assert await api.get("/v1/apps") == []
        assert (await api.request("DELETE", f"/v1/apps/{app_id}"))[0] == 404


async def test_projects_go_in_and_out_and_from_one_app_to_another(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        shop, other = await create_app(api), await create_app(api, name="Other")
        one, two = await api.create_project("project-one"), await api.create_project("project-two")
        both = {"projectIds": [one, two]}
        assert (await api.request("POST", f"/v1/apps/{shop}/projects", json=both))[0] == 200
        assert sorted(await members(api, shop)) == ["project-one", "project-two"]
        await api.request("POST", f"/v1/apps/{other}/projects", json={"projectIds": [one]})
        assert (await members(api, shop), await members(api, other)) == (
            ["project-two"],
            ["project-one"],
        )
        assert (await api.get(f"/v1/projects/{one}"))["appId"] == other
        only = {"projectIds": [one]}
        assert (await api.request("POST", f"/v1/apps/{other}/projects/remove", json=only))[0] == 200
        assert (await api.get(f"/v1/projects/{one}"))["appId"] is None


async def test_all_projects_of_a_call_move_or_none(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        shop, one = await create_app(api), await api.create_project()
        path, mixed = f"/v1/apps/{shop}/projects", {"projectIds": [one, NOWHERE]}
        status, message = await api.request("POST", path, json=mixed)
        assert (status, NOWHERE in message) == (404, True)
        assert await members(api, shop) == []
        await api.request("POST", path, json={"projectIds": [one]})
        status, message = await api.request("POST", f"{path}/remove", json=mixed)
        assert (status, NOWHERE in message) == (404, True)
        outside = await api.create_project("outside")
        mixed = {"projectIds": [one, outside]}
        status, message = await api.request("POST", f"{path}/remove", json=mixed)
        assert (status, outside in message) == (400, True)
        assert await members(api, shop) == ["demo-app"]


async def test_a_deleted_app_lets_its_projects_go(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        shop = await create_app(api)
        project = {"uniqueName": "in-shop", "displayName": "In shop", "type": "upload"}
        settings = {"useBuildAI": True}
        created = {**project, "settings": settings, "source": {}, "appId": shop}
        _, data = await api.request("POST", "/v1/projects", json=created)
        assert await members(api, shop) == ["in-shop"]
        await api.request("DELETE", f"/v1/apps/{shop}")
        assert (await api.get(f"/v1/projects/{data['id']}"))["appId"] is None
        lost = {**created, "uniqueName": "in-nothing"}
        assert (await api.request("POST", "/v1/projects", json=lost))[0] == 404


async def test_a_service_that_is_not_there_is_in_no_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        shop = await create_app(api)
        ids, path = {"serviceIds": [NOWHERE]}, f"/v1/apps/{shop}/services"
        assert (await api.get(path))["data"] == []
        assert (await api.request("POST", path, json=ids))[0] == 404
        assert (await api.request("POST", f"{path}/remove", json=ids))[0] == 404


async def test_a_platform_of_the_first_version_learns_of_apps(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "platform.db")) as database:
        database.executescript(f"{load_migrations('platform')[0]} PRAGMA user_version = 1;")
    async with running_platform(tmp_path) as api:
        await create_app(api)


async def test_the_number_of_apps_is_limited(tmp_path: Path) -> None:
    async with running_platform(tmp_path, max_apps=1) as api:
        await create_app(api)
        status, message = await api.request("POST", "/v1/apps", json={"name": "Second"})
        assert (status, "1 apps" in message) == (429, True)
