"""With the extra `fast` the server, the platform and its gateway run on uvloop."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import read_state
from tests.whole.test_every_tool import deploy, launched


@pytest.fixture
def uvloop_dir(tmp_path: Path) -> Path:
    target = tmp_path / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    subprocess.run([*install, "uvloop>=0.22"], check=True)
    return target


@pytest.mark.examples
async def test_an_app_is_deployed_and_read(uvloop_dir: Path, data_dir: Path) -> None:
    async with launched("auto", data_dir, PYTHONPATH=str(uvloop_dir)) as agent:
        await deploy(agent, "fast")
        assert await agent.page("fast") == "as text"
        state = read_state(DataDir(data_dir).state_file)
        assert state is not None
        mapped = psutil.Process(state.pid).memory_maps()
        assert any("uvloop" in one.path for one in mapped)
