"""Images as services: in a container, with their data on this machine, behind a socket."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.archives import new_identity, read_archive, write_archive
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.engines.daemons import SERVE, DockerDaemon
from tests.platform.engines.test_images import CGI, address_of, deploy, image_project
from tests.platform.platforms import Api, read_page, running_platform, started_platform
from tests.platform.services.databases import bind, create_service, page_of, post, until

pytestmark = pytest.mark.engines

NOTES = f"""{CGI}
[ "$HTTP_X_KEY" = "$KEY" ] || {{ echo denied; exit; }}
[ -z "$QUERY_STRING" ] || echo "$QUERY_STRING" >> /store/notes
cat /store/notes
"""
STORE = {"www/cgi-bin/notes": NOTES, "www/cgi-bin/end": f"{CGI}kill 1"}
PORT = 7100

APP = {
    "app.py": """
import http.server, os, urllib.parse, urllib.request

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(os.environ.get("STORE_URL", "http://x:y@127.0.0.1:7100"))
        path = "end" if self.path == "/end" else "notes?" + self.path[1:]
        asked = urllib.request.Request(f"http://127.0.0.1:{url.port}/cgi-bin/{path}")
        asked.add_header("X-Key", url.password)
        try:
            body = urllib.request.urlopen(asked, timeout=5).read()
        except OSError as error:
            body = f"{error}".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
""",
    "Procfile": "web: python app.py\n",
}


@pytest.fixture(scope="module")
def store(engine: DockerDaemon, registry: str) -> str:
    """An image that keeps notes for who knows its password."""
    reference = f"{registry}/team/store:1"
    engine.publish(reference, STORE, f"EXPOSE {PORT}")
    engine.docker("rmi", reference)
    return reference


async def create_store(api: Api, store: str, **more: Json) -> str:
    image = {
        "reference": store,
        "port": PORT,
        "dataPath": "/store",
        "variables": {"KEY": "{secret}"},
        "url": "http://app:{secret}@127.0.0.1:{port}",
    }
    return await create_service(api, "image", "store", image=image, **more)


async def deploy_app(api: Api, name: str, service_id: str | None = None) -> Json:
    project_id = await api.create_project(name)
    if service_id is not None:
        await bind(api, service_id, project_id, variable="STORE_URL")
    deployed = await api.wait(project_id, await api.upload(project_id, APP))
    assert deployed["status"] == "deployed", await api.build_log(deployed)
    return deployed


@asynccontextmanager
async def bound_store(
    engine: DockerDaemon, store: str, root: Path
) -> AsyncIterator[tuple[Api, str, Json]]:
    """A service on a platform, and an app that has noted milk there."""
    async with running_platform(root, docker_host=engine.host) as api:
        service_id = await create_store(api, store)
        app = await deploy_app(api, "bound", service_id)
        assert await page_of(api, app, "/milk") == "milk\n"
        yield api, service_id, app


async def test_an_image_is_reached_by_what_is_bound_to_it_alone(
    engine: DockerDaemon,
    store: str,
    tmp_path: Path,
) -> None:
    async with bound_store(engine, store, tmp_path) as (api, service_id, _):
        other = await deploy_app(api, "other")
        assert "refused" in await page_of(api, other, "/bread")
        shown = await api.get(f"/v1/services/{service_id}")
        assert shown["image"].startswith(f"{store.removesuffix(':1')}@sha256:")
        assert shown["version"] == store
        assert "KEY" not in str(shown)
        (container,) = engine.docker("ps", "--quiet").split()
        assert engine.docker("port", container) == ""


async def test_its_data_outlives_restarts_ends_and_the_platform(
    engine: DockerDaemon, store: str, tmp_path: Path
) -> None:
    async with bound_store(engine, store, tmp_path) as (api, service_id, app):
        await post(api, f"/v1/services/{service_id}/restart")
        assert await page_of(api, app, "/bread") == "milk\nbread\n"
        engine.docker("kill", *engine.docker("ps", "--quiet").split())
        back = await eventually(lambda: page_of(api, app), lambda page: "milk" in page)
        assert back == "milk\nbread\n"
    assert engine.docker("ps", "--all", "--quiet") == ""
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        await until(api, service_id, "running")
        back = await eventually(lambda: page_of(api, app), lambda page: "milk" in page)
        assert back == "milk\nbread\n"


async def test_an_app_from_an_image_uses_it_too(
    engine: DockerDaemon,
    registry: str,
    store: str,
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        asking = f"""{CGI}
        wget -q -O - --header "X-Key: $(cat /www/key)" \\
            http://127.0.0.1:{PORT}/cgi-bin/notes?$QUERY_STRING"""
        begin = 'echo "$SERVICE_URL" | grep -o "[0-9a-f]\\{48\\}" > /www/key; ' + SERVE
        reference = f"{registry}/team/asking:1"
        engine.publish(reference, {"www/cgi-bin/ask": asking}, "EXPOSE 8080", command=begin)
        service_id = await create_store(api, store)
        project_id = await image_project(api)
        await bind(api, service_id, project_id)
        deployed = await deploy(api, project_id, reference)
        assert deployed["status"] == "deployed", await api.build_log(deployed)
        page = await read_page(f"{await address_of(api, project_id)}/cgi-bin/ask?milk")
        assert page == "milk\n"


async def test_a_backup_brings_its_data_back(
    engine: DockerDaemon,
    store: str,
    tmp_path: Path,
) -> None:
    async with bound_store(engine, store, tmp_path) as (api, service_id, app):
        backup = await post(api, f"/v1/services/{service_id}/backups")
        await page_of(api, app, "/bread")
        await post(api, f"/v1/services/{service_id}/backups/{backup['id']}/restore")
        assert await page_of(api, app) == "milk\n"
        before = (await api.get(f"/v1/services/{service_id}"))["backups"][0]
        assert before["cause"] == "before a restore"
        await post(api, f"/v1/services/{service_id}/backups/{before['id']}/restore")
        assert await page_of(api, app) == "milk\nbread\n"


async def test_what_is_deleted_leaves_nothing(
    engine: DockerDaemon,
    store: str,
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        service_id = await create_store(api, store)
        status, told = await api.request("DELETE", f"/v1/services/{service_id}")
        assert status == 200, told
        assert engine.docker("ps", "--all", "--quiet") == ""
        assert not DataDir(api.data_dir).service(service_id).exists()


async def test_its_one_password_is_not_rotated(
    engine: DockerDaemon,
    store: str,
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        service_id = await create_store(api, store)
        binding = await bind(api, service_id, await api.create_project())
        path = f"/v1/services/{service_id}/bindings/{binding['id']}/rotate"
        status, told = await api.request("POST", path)
        assert (status, "another service" in told) == (422, True), told


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"reference": "127.0.0.1:1/team/none:1", "port": 80}, "cannot be reached"),
        ({"reference": "{registry}/team/none:1", "port": 80}, "has no team/none"),
    ],
    ids=["no registry", "no image"],
)
async def test_an_image_that_cannot_be_had_is_told(
    engine: DockerDaemon,
    registry: str,
    image: Json,
    reason: str,
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        chosen = {**image, "reference": image["reference"].format(registry=registry)}
        body = {"name": "store", "kind": "image", "image": chosen}
        made = await post(api, "/v1/services", **body)
        failed = await until(api, made["id"], "failed")
        assert reason in failed["reason"]


async def test_one_that_outlives_the_platform_is_found_again(
    engine: DockerDaemon, store: str, tmp_path: Path
) -> None:
    config = PlatformConfig(data_dir=DataDir(tmp_path), docker_host=engine.host)
    try:
        async with started_platform(config) as (api, pid):
            app = await deploy_app(api, "bound", await create_store(api, store))
            await page_of(api, app, "/milk")
            before = engine.docker("ps", "--quiet")
            os.kill(pid, signal.SIGKILL)
            await anyio.to_thread.run_sync(daemon.start_platform, config, os.environ)
            assert await eventually(partial(page_of, api, app)) == "milk\n"
            assert engine.docker("ps", "--quiet") == before
    finally:
        await anyio.to_thread.run_sync(daemon.stop_platform, config)
    assert engine.docker("ps", "--all", "--quiet") == ""


async def test_one_that_is_full_is_stopped_and_says_why(
    engine: DockerDaemon, store: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        service_id = await create_store(api, store, sizeMb=64)
        data = DataDir(api.data_dir).service(service_id) / "data"
        (data / "much").write_bytes(bytes(65 * 2**20))
        stopped = await until(api, service_id, "sleeping")
    assert "65 MB of 64 MB" in stopped["reason"]


async def test_one_comes_back_on_another_machine(
    engine: DockerDaemon, store: str, tmp_path: Path
) -> None:
    old, new = DataDir(tmp_path / "old"), DataDir(tmp_path / "new")
    async with bound_store(engine, store, old.root) as (api, _, app):
        await post(api, "/service-backups")
        write_archive(old, tmp_path / "all.age", new_identity(tmp_path / "key"))
    assert read_archive(tmp_path / "all.age", tmp_path / "key", new) == 1
    async with running_platform(new.root, docker_host=engine.host) as api:
        back = await eventually(partial(page_of, api, app), lambda page: "milk" in page)
        assert back == "milk\n"
