from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.platform.dns_servers import Zone, dns_server


@pytest.fixture(scope="module")
def dns() -> Iterator[tuple[Zone, str]]:
    """The DNS server that the platform of a module's tests asks, and its address."""
    with dns_server() as server:
        yield server


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the platform of a module's tests lives; it is stopped after them."""
    root = tmp_path_factory.mktemp("platform")
    yield root
    daemon.stop_platform(PlatformConfig(data_dir=DataDir(root)))
