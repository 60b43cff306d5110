from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the platform of a module's tests lives; it is stopped after them."""
    root = tmp_path_factory.mktemp("platform")
    yield root
    daemon.stop_platform(PlatformConfig(data_dir=DataDir(root)))
