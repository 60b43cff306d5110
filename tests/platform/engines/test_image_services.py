"""Images use databases and volumes as apps from files do."""

from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.engines.daemons import SERVE, DockerDaemon
from tests.platform.engines.test_images import CGI, address_of, deploy, image_project
from tests.platform.platforms import Api, read_page, running_platform
from tests.platform.services.databases import bind, create_service

pytestmark = pytest.mark.engines

COUNTING = f"""{CGI}
given=${{REDIS_URL#redis://}}
role=${{given%%:*}}
rest=${{given#*:}}
secret=${{rest%%@*}}
printf "AUTH $role $secret\\r\\nINCR visits\\r\\nQUIT\\r\\n" | nc 127.0.0.1 6379
"""
FILES = {
    "www/cgi-bin/count": COUNTING,
    "www/cgi-bin/note": f'{CGI}echo "$QUERY_STRING" >> /data/notes; cat /data/notes',
    "www/cgi-bin/dial": f"{CGI}echo PING | nc -w 2 127.0.0.1 6379 || echo refused",
    # As PostgreSQL's clients begin that insist on TLS; `S` says that they get it.
    "www/cgi-bin/tls": f"{CGI}printf '\\0\\0\\0\\010\\004\\322\\026\\057' | nc -w 2 127.0.0.1 6379",
    "www/index.html": "one",
}


@pytest.fixture(scope="module")
def image(engine: DockerDaemon, registry: str) -> str:
    """An image that runs as a user of its own."""
    reference = f"{registry}/team/counting:1"
    engine.publish(reference, FILES, "EXPOSE 8080", "USER 1000:1000")
    return reference


async def add_volume(api: Api, project_id: str) -> None:
    path = f"/v1/projects/{project_id}/runtime-settings"
    volumes = [{"path": "/data", "sizeMb": 64}]
    status, told = await api.request("PUT", path, json={"volumes": volumes})
    assert status == 200, told


async def count(api: Api, deployment: Json) -> str:
    page = await read_page(f"{await address_of(api, deployment['projectId'])}/cgi-bin/count")
    return next((line[1:] for line in page.splitlines() if line.startswith(":")), page)


async def test_an_image_reaches_the_service_that_it_is_bound_to_and_others_do_not(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        service_id = await create_service(api, "valkey", "counts")
        project_id = await image_project(api)
        await bind(api, service_id, project_id)
        deployed = await deploy(api, project_id, image)
        assert deployed["status"] == "deployed", await api.build_log(deployed)
        assert [await count(api, deployed) for _ in range(2)] == ["1", "2"]
        address = await address_of(api, deployed["projectId"])
        assert await read_page(f"{address}/cgi-bin/tls") == "S"
        assert await count(api, deployed) == "3"
        path = f"/v1/projects/{project_id}/deployments/{deployed['id']}/commands"
        for command in ("true", "echo $REDIS_URL_SOCKET", "exit 3"):
            status, ran = await api.request("POST", path, json={"command": command})
            assert status == 200, ran
            assert ran["exitCode"] == (3 if command == "exit 3" else 0)
        other = await deploy(api, await image_project(api, "other-app"), image)
        dialed = await read_page(f"{await address_of(api, other['projectId'])}/cgi-bin/dial")
        assert dialed.strip() == "refused"
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        found = await eventually(lambda: count(api, deployed), str.isdigit)
        assert int(found) > 3
    assert engine.docker("ps", "--all", "--quiet") == ""


async def test_an_app_that_starts_slowly_is_not_taken_for_its_service(
    engine: DockerDaemon, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/team/slow:1"
    engine.publish(reference, FILES, "EXPOSE 8080", command=f"sleep 2; {SERVE}")
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await bind(api, await create_service(api, "valkey", "counts"), project_id)
        await deploy(api, project_id, reference)
        assert await read_page(await address_of(api, project_id)) == "one"


async def test_a_volume_of_an_image_outlives_its_versions(
    engine: DockerDaemon, image: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        await add_volume(api, project_id)
        for words in ("one", "one\ntwo"):
            deployed = await deploy(api, project_id, image)
            assert deployed["status"] == "deployed", await api.build_log(deployed)
            address = await address_of(api, project_id)
            note = words.splitlines()[-1]
            assert (await read_page(f"{address}/cgi-bin/note?{note}")).strip() == words
