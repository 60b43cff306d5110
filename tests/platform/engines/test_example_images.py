"""The apps below `examples/` as images: with the Dockerfile that is made of how each is built."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import anyio
import httpx2
import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.engines.image_plans import STATIC_SERVER, ImagePlan
from createos_mcp.platform.sandbox import static_server
from tests.platform.engines.base_images import make_base_images
from tests.platform.engines.daemons import DockerDaemon
from tests.platform.platforms import Api, read_page, running_platform
from tests.platform.services.databases import bind, create_service
from tests.whole.test_examples import EXAMPLES, PAGES, PATIENCE_S, WORKER, read_files
from tests.whole.test_service_examples import EXAMPLES_OF, read

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def base_images(
    engine: DockerDaemon, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    return anyio.run(make_base_images, engine, tmp_path_factory.mktemp("toolchains"))


def files_of(name: str, base_images: Mapping[str, str]) -> dict[str, str]:
    """An example with its Dockerfile."""
    plan = make_plan(EXAMPLES / name, {}, EXAMPLES / name)
    image_plan = ImagePlan(
        plan=plan,
        directory=".",
        variables=(),
        base_images=[f"{family}={image}" for family, image in base_images.items()],
    )
    text = image_plan.dockerfile
    if plan.release:  # which no Dockerfile has a word for
        command = f"{plan.release} && exec {shlex.join(image_plan.command)}"
        text += f"CMD {json.dumps(['/bin/sh', '-c', command])}\n"
    return {
        **read_files(EXAMPLES / name),
        "Dockerfile": text,
        STATIC_SERVER: Path(static_server.__file__).read_text(),
    }


async def build(api: Api, project_id: str, files: Mapping[str, str]) -> Json:
    deployment = await api.wait(
        project_id, await api.upload(project_id, files), timeout_s=PATIENCE_S
    )
    assert deployment["status"] == "deployed", await api.build_log(deployment)
    assert deployment["extra"]["isolation"] == "container"
    return deployment


@pytest.mark.parametrize("name", PAGES)
async def test_an_example_is_built_by_its_dockerfile_and_goes_live(
    name: str, engine: DockerDaemon, base_images: Mapping[str, str], tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await api.create_project(f"{name}-example")
        deployment = await build(api, project_id, files_of(name, base_images))
        assert PAGES[name] in await read_page(deployment["extra"]["endpoint"])


@pytest.mark.parametrize("name", EXAMPLES_OF)
async def test_one_with_a_service_finds_it(
    name: str, engine: DockerDaemon, base_images: Mapping[str, str], tmp_path: Path
) -> None:
    example = EXAMPLES_OF[name]
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await api.create_project(name)
        await bind(api, await create_service(api, example.kind), project_id)
        await build(api, project_id, files_of(name, base_images))
        address = (await api.environment(project_id))["extra"]["endpoint"]
        async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
            await example.write(client)
            assert example.expected in await read(client, example.path)


async def test_the_worker_runs_without_an_address(
    engine: DockerDaemon, base_images: Mapping[str, str], tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await api.create_project()
        path = f"/v1/projects/{project_id}/runtime-settings"
        assert (await api.request("PUT", path, json={"worker": True}))[0] == 200
        deployment = await build(api, project_id, files_of(WORKER, base_images))
        assert deployment["extra"]["worker"] is True
