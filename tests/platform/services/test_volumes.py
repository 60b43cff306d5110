"""Volumes: what an app writes there is still there with its next version."""

from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.platforms import Api, running_platform
from tests.platform.services.databases import page_of, post

KEEPING = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path.startswith("/add/"):
                with open("/data/notes", "a") as notes:
                    notes.write(self.path[5:] + ",")
            if self.path == "/fill":
                with open("/data/big", "wb") as big:
                    big.write(bytes(3 * 2**20))
            body = open("/data/notes").read() if os.path.exists("/data/notes") else "none"
        except OSError as error:
            body = str(error)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
http.server.HTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""

APP = {"app.py": KEEPING, "requirements.txt": "", "Procfile": "web: python app.py\n"}
DATA = [{"path": "/data", "sizeMb": 2}]


async def deploy_keeping(api: Api, name: str) -> Json:
    """An app with a volume."""
    project_id = await api.create_project(name)
    await set_volumes(api, project_id, DATA)
    deployed = await api.wait(project_id, await api.upload(project_id, APP))
    assert deployed["status"] == "deployed", await api.build_log(deployed)
    return deployed


async def set_volumes(api: Api, project_id: str, volumes: list[Json]) -> tuple[int, Json]:
    path = f"/v1/projects/{project_id}/runtime-settings"
    return await api.request("PUT", path, json={"volumes": volumes})


async def test_files_of_a_volume_outlive_versions_and_restarts_and_go_with_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    async with running_platform(tmp_path / "data") as api:
        deployed = await deploy_keeping(api, "keeping")
        assert await page_of(api, deployed, "/add/milk") == "milk,"
        again = await api.upload(deployed["projectId"], APP)
        assert (await api.wait(deployed["projectId"], again))["status"] == "deployed"
        assert await page_of(api, deployed, "/add/bread") == "milk,bread,"
        other = await deploy_keeping(api, "another")
        assert await page_of(api, other) == "none"
        (shown,) = (await api.environment(deployed["projectId"]))["extra"]["volumes"]
        assert (shown["path"], shown["sizeMb"], shown["readOnly"]) == ("/data", 2, False)
        places = tmp_path / "data" / "volumes"
        assert len(list(places.iterdir())) == 2
        await api.request("DELETE", f"/v1/projects/{other['projectId']}")
        await api.until_gone(f"/v1/projects/{other['projectId']}")
        await eventually(lambda: kept(places), lambda count: count == 1)
    async with running_platform(tmp_path / "data") as api:
        assert await page_of(api, deployed) == "milk,bread,"


async def kept(places: Path) -> int:
    return len(list(places.iterdir()))


async def test_a_volume_that_holds_too_much_is_read_only_until_a_command_makes_room(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        deployed = await deploy_keeping(api, "filling")
        assert await page_of(api, deployed, "/add/milk") == "milk,"
        assert await page_of(api, deployed, "/fill") == "milk,"
        environment = await api.environment(deployed["projectId"])
        place = f"/v1/projects/{deployed['projectId']}/environments/{environment['id']}"
        assert environment["extra"]["volumes"][0]["readOnly"] is True
        await post(api, f"{place}/restart")
        await eventually(
            lambda: page_of(api, deployed, "/add/tea"), lambda page: "Read-only" in page
        )
        commands = f"/v1/projects/{deployed['projectId']}/deployments/{deployed['id']}/commands"
        assert (await post(api, commands, command="rm /data/big"))["exitCode"] == 0
        await post(api, f"{place}/restart")
        await eventually(lambda: page_of(api, deployed, "/add/tea"), lambda page: "tea" in page)


REFUSED: dict[str, tuple[list[Json], str]] = {
    "a part of the system": ([{"path": "/usr/data", "sizeMb": 1}], "volumes.0.path"),
    "the app itself": ([{"path": "/app/data", "sizeMb": 1}], "volumes.0.path"),
    "no absolute path": ([{"path": "data", "sizeMb": 1}], "volumes.0.path"),
    "a way up": ([{"path": "/data/../etc", "sizeMb": 1}], "volumes.0.path"),
    "no size": ([{"path": "/data"}], "sizeMb"),
    "one in another": (
        [{"path": "/data", "sizeMb": 1}, {"path": "/data/in", "sizeMb": 1}],
        "volumes.1.path",
    ),
}


async def test_volumes_that_cannot_be_are_refused_with_their_place(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        project_id = await api.create_project("keeping")
        for volumes, said in REFUSED.values():
            status, told = await set_volumes(api, project_id, volumes)
            assert (status, said in told) == (400, True), told
        assert "volumes" not in (await api.get(f"/v1/projects/{project_id}"))["settings"]


async def test_several_replicas_share_a_volume_only_where_that_is_declared(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        deployed = await deploy_keeping(api, "keeping")
        environment = await api.environment(deployed["projectId"])
        resources = (
            f"/v1/projects/{deployed['projectId']}/environments/{environment['id']}/resources"
        )
        two = {"cpu": 200, "memory": 500, "replicas": 2}
        status, told = await api.request("PUT", resources, json=two)
        assert (status, "/data is for one replica" in told) == (422, True)
        await set_volumes(api, deployed["projectId"], [{**DATA[0], "shared": True}])
        status, told = await api.request("PUT", resources, json=two)
        assert status == 200, told


async def test_a_link_in_a_volume_leads_neither_app_nor_platform_out_of_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    async with running_platform(tmp_path / "data") as api:
        deployed = await deploy_keeping(api, "linking")
        commands = f"/v1/projects/{deployed['projectId']}/deployments/{deployed['id']}/commands"
        linked = f"ln -sf {secret} /data/notes; ln -sf / /data/root; cat /data/notes"
        assert (await post(api, commands, command=linked))["exitCode"] == 1
        assert await page_of(api, deployed) == "none"
        (shown,) = (await api.environment(deployed["projectId"]))["extra"]["volumes"]
        assert shown["usedMb"] < 1
    assert secret.read_text() == "of the machine"
