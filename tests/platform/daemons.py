"""A platform in a background process of its own."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.platform.platforms import OWN_PORTS, Api


@asynccontextmanager
async def daemon_client(root: Path, environ: Mapping[str, str]) -> AsyncIterator[Api]:
    """A client of the background process over a directory, which is started if need be."""
    config = PlatformConfig(data_dir=DataDir(root), app_ports=OWN_PORTS)
    address = await to_thread.run_sync(daemon.ensure_running, config, environ)
    state = daemon.find_running(config.data_dir)
    assert state is not None
    async with httpx2.AsyncClient(
        base_url=address.api_url, headers={"X-Api-Key": address.api_key}, timeout=60
    ) as client:
        yield Api(client=client, data_dir=root, gateway_port=state.gateway_port)


@asynccontextmanager
async def stopped_at_the_end(root: Path) -> AsyncIterator[PlatformConfig]:
    config = PlatformConfig(data_dir=DataDir(root), app_ports=OWN_PORTS)
    try:
        yield config
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(daemon.stop_platform, config)


def environ() -> dict[str, str]:
    return dict(os.environ)
