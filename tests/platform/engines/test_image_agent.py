"""An agent that deploys an image, through a real client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eras import Era, both_eras
from tests.platform.engines.daemons import DockerDaemon
from tests.platform.platforms import read_page
from tests.workflows.local_agents import working_in

pytestmark = pytest.mark.engines


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Where the platform of a test lives; it is stopped after it."""
    root = tmp_path / "data"
    yield root
    daemon.stop_platform(PlatformConfig(data_dir=DataDir(root)))


@both_eras
async def test_an_image_becomes_a_url_and_a_wrong_one_a_sentence(
    era: Era, engine: DockerDaemon, registry: str, tmp_path: Path, data_dir: Path
) -> None:
    reference = f"{registry}/agents:{era}"
    engine.publish(reference, {"www/index.html": "by an agent"})
    settings = {"CREATEOS_PLATFORM_DOCKER_HOST": engine.host}
    project = {"project_id": f"image-{era}", "settings": {"port": 8080}}
    async with working_in(tmp_path, era, data_dir=data_dir, variables=settings) as agent:
        verdict = await agent.call("Deploy", **project, image=reference)
        page = await read_page(verdict["url"])
        wrong = await agent.call("Deploy", **project, image=f"{registry}/agents:never-pushed")
        malformed = await agent.refusal("Deploy", **project, image="Not An Image")
        served = await agent.call("Status")
    assert page == "by an agent"
    assert verdict["next"] == "Tell the user that it is live in production, with the url."
    assert (wrong["live"], wrong["stage"]) == (False, "pull")
    assert "has no agents with this tag never-pushed" in wrong["log"]
    assert wrong["stillServing"][0]["version"] == 1
    assert "is not an image reference" in malformed
    assert served["projects"][0]["state"] == "deployed"
    assert served["projects"][0]["newest"].startswith("v2 build_error")
