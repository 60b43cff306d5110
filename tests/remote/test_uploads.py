import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mcp import Client

from createos_mcp.client.target import Credentials
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.remote.auth.upload_tokens import LIFE_S, Ticket, Tickets
from createos_mcp.remote.errors import UploadAddressError
from tests.apis import FakeApi, fake_api
from tests.eras import Era, both_eras
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, PATIENCE_S, UNFINISHED, read_page, zip_of
from tests.remote.servers import ID, KEY, Served, carrier, client_of, served

TOOL = "UploadDeploymentZip"
PATH = f"/v1/projects/{ID}/deployments/upload-zip"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[FakeApi, Served]]:
    with fake_api() as api, served(api.url, "--serve-max-upload-bytes", "50000") as server:
        yield api, server


async def address(server: Served, key: str = KEY, era: Era = "auto") -> str:
    async with client_of(server, {"X-Api-Key": key}, era=era) as client:
        result = await client.call_tool(TOOL, {"project_id": ID})
    assert result.structured_content is not None
    url: str = result.structured_content["uploadUrl"]
    return url


@both_eras
async def test_a_call_without_a_file_answers_with_an_address_and_a_command(
    era: Era, running: tuple[FakeApi, Served], tmp_path: Path
) -> None:
    api, server = running
    async with client_of(server, {"X-Api-Key": KEY}, era=era) as client:
        result = await client.call_tool(TOOL, {"project_id": ID})
    assert result.structured_content is not None
    assert result.structured_content["expiresInSeconds"] == LIFE_S
    (tmp_path / "app.zip").write_bytes(packed := zip_of({"main.py": ANSWERING}))
    done = subprocess.run(
        ["sh", "-c", result.structured_content["command"]],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout == b'{"id":"p1"}'
    asked = api.asked[-1]
    assert (asked.method, asked.path) == ("PUT", PATH)
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="upload.zip"' in asked.body
    assert packed in asked.body


async def test_the_tool_takes_a_file_as_before_and_does_not_require_it(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    async with client_of(server, {"X-Api-Key": KEY}) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == TOOL]
        result = await client.call_tool(TOOL, {"project_id": ID, "file": "UEsFBg=="})
    assert tool.input_schema["required"] == ["project_id"]
    assert result.structured_content == {"id": "p1"}
    assert b"PK\x05\x06" in api.asked[-1].body


async def test_an_address_is_good_for_one_upload(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    url = await address(server)
    assert carrier.put(url, content=b"zip").status_code == 200
    again = carrier.put(url, content=b"zip")
    assert again.status_code == 410
    assert "already been used" in again.json()["message"]


async def test_an_address_that_was_changed_or_made_elsewhere_is_410(
    running: tuple[FakeApi, Served],
) -> None:
    _, server = running
    url = await address(server)
    with fake_api() as api, served(api.url) as other:
        elsewhere = url.replace(server.url, other.url)
        assert carrier.put(elsewhere, content=b"zip").status_code == 410
    for bad in (url[:-4] + "AAAA", f"{server.url}/uploads/x", f"{server.url}/uploads/v1.AAAA"):
        assert carrier.put(bad, content=b"zip").status_code == 410


async def test_an_address_shows_no_key_and_no_project(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    url = await address(server)
    assert KEY not in url
    assert ID not in url
    assert len(url) < 400
    carrier.put(url, content=b"zip")
    assert url.rpartition("/")[2] not in server.log_text()


async def test_what_is_too_large_is_413_and_does_not_use_the_address_up(
    running: tuple[FakeApi, Served],
) -> None:
    _, server = running
    url = await address(server)
    assert carrier.put(url, content=b"x" * 50_001).status_code == 413
    assert carrier.put(url, content=b"zip").status_code == 200
    unannounced = carrier.put(await address(server), content=iter([b"x" * 30_000] * 3))
    assert unannounced.status_code == 413


async def test_what_the_platform_says_against_an_upload_is_handed_back(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    url = await address(server)
    api.respond = lambda _: (422, {"status": "fail", "data": "not a zip"})
    answer = carrier.put(url, content=b"zip")
    api.respond = None
    assert answer.status_code == 422
    assert "not a zip" in answer.json()["message"]


def test_a_ticket_is_good_for_its_time() -> None:
    now = 1_000_000.0
    tickets = Tickets(["k" * 32], clock=lambda: now)
    sealed = [tickets.seal(Ticket(path=PATH, credentials=Credentials(api_key=KEY)))] * 2
    now += LIFE_S
    assert tickets.open(sealed[0]).path == PATH
    now += 1
    with pytest.raises(UploadAddressError, match="15 min"):
        Tickets(["k" * 32], clock=lambda: now).open(sealed[1])


async def test_an_upload_is_handed_on_as_it_comes() -> None:
    """The server's memory does not grow with the upload, and the platform gets the start first."""
    size, piece = 40 * 2**20, b"x" * 2**16

    def pieces() -> Iterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    with fake_api() as api, served(api.url) as server:
        url = await address(server)
        process = psutil.Process(server.process.pid)
        carrier.put(await address(server), content=piece)
        before = process.memory_info().rss
        headers = {"Content-Length": str(size)}
        answer = carrier.put(url, content=pieces(), headers=headers)
        grown = process.memory_info().rss - before
        assert answer.status_code == 200
        assert len(api.asked[-1].body) > size
    assert grown < size / 4


async def test_a_zip_sent_with_the_command_is_deployed_on_the_local_platform(
    tmp_path: Path,
) -> None:
    config = PlatformConfig(data_dir=DataDir(tmp_path / "data"))
    try:
        state = daemon.ensure_running(config, os.environ)
        with served(state.api_url) as server:
            async with client_of(server, {"X-Api-Key": state.api_key}) as client:
                page = await deploy_zip(client, tmp_path)
        assert page == "hello"
    finally:
        daemon.stop_platform(config)


async def deploy_zip(client: Client, directory: Path) -> str:
    async def ask(tool: str, **arguments: Json) -> Json:
        result = await client.call_tool(tool, arguments)
        assert not result.is_error, result
        return result.structured_content

    settings = {"useBuildAI": True}
    project = {"uniqueName": "zipped", "displayName": "zipped", "type": "upload", "source": {}}
    await ask("CreateProject", **project, settings=settings)
    offered = await ask(TOOL, project_id="zipped")
    (directory / "app.zip").write_bytes(zip_of({"main.py": ANSWERING}))
    subprocess.run(["sh", "-c", offered["command"]], cwd=directory, check=True, timeout=60)
    newest = {"project_id": "zipped", "deployment_id": "latest"}
    deployment = await eventually(
        lambda: ask("GetDeployment", **newest), lambda found: found["status"] not in UNFINISHED
    )
    assert deployment["status"] == "deployed", deployment
    (environment,) = (await ask("ListProjectEnvironments", project_id="zipped"))["items"]
    return await read_page(environment["extra"]["endpoint"])
