"""The apps below `examples/` as images: with the Dockerfile that is made of how each is built."""

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.engines.image_plans import STATIC_SERVER, ImagePlan
from createos_mcp.platform.sandbox import static_server
from tests.platform.engines.base_images import make_base_images
from tests.platform.engines.daemons import DockerDaemon
from tests.platform.platforms import read_page, running_platform
from tests.whole.test_examples import EXAMPLES, PAGES, PATIENCE_S, read_files

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def base_images(
    engine: DockerDaemon, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    return anyio.run(make_base_images, engine, tmp_path_factory.mktemp("toolchains"))


@pytest.mark.parametrize("name", PAGES)
async def test_an_example_is_built_by_its_dockerfile_and_goes_live(
    name: str, engine: DockerDaemon, base_images: Mapping[str, str], tmp_path: Path
) -> None:
    plan = make_plan(EXAMPLES / name, {}, EXAMPLES / name)
    image_plan = ImagePlan(
        plan=plan,
        directory=".",
        variables=(),
        base_images=[f"{family}={image}" for family, image in base_images.items()],
    )
    text = image_plan.dockerfile
    if plan.release:  # which no Dockerfile has a word for
        text = text.replace("\nCMD ", f"\nRUN {plan.release}\nCMD ")
    files = {
        **read_files(EXAMPLES / name),
        "Dockerfile": text,
        STATIC_SERVER: Path(static_server.__file__).read_text(),
    }
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await api.create_project(f"{name}-example")
        deployment_id = await api.upload(project_id, files)
        deployment = await api.wait(project_id, deployment_id, timeout_s=PATIENCE_S)
        log = await api.build_log(deployment)
        assert deployment["status"] == "deployed", log
        assert deployment["extra"]["isolation"] == "container"
        assert PAGES[name] in await read_page(deployment["extra"]["endpoint"])
