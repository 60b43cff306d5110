"""A service that was started and not yet written down is ended before another one begins."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.owner_store import open_owner_store
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.platforms import NO_ENGINE
from tests.platform.services.databases import create_service, until
from tests.platform.services.test_kills import PLATFORM, client_of, kill, of_platform, start


def servers(data_dir: DataDir) -> list[psutil.Process]:
    """Main processes of PostgreSQL below the launchers of a data directory."""
    return [process for process in of_platform(data_dir) if is_main(process)]


def is_main(process: psutil.Process) -> bool:
    """Whether it is a server, and not one of its own processes that has no title yet."""
    try:
        parent = process.parent()
        own = parent is None or parent.name() != "postgres"
        return own and " ".join(process.cmdline()).startswith("postgres -D data")
    except psutil.NoSuchProcess:
        return False


async def test_a_server_that_nobody_knows_is_ended_first(tmp_path: Path) -> None:
    config = PlatformConfig(data_dir=DataDir(tmp_path / "data"), docker_host=NO_ENGINE)
    data_dir = config.data_dir
    try:
        async with client_of(await start(config)) as api:
            service_id = await create_service(api)
        (server,) = servers(data_dir)
        kill(config, PLATFORM)
        async with open_owner_store(data_dir) as store:
            service = await store.services.get(service_id)
            assert service.instance is not None
            # As it is between a start and the moment when it is written down.
            half = {"replica_id": service.instance["replica_id"]}
            await store.services.set_instance(service_id, half)
        async with client_of(await start(config)) as api:
            await until(api, service_id, "running")
            (other,) = await eventually(servers_below(data_dir), lambda all_: len(all_) == 1)
            assert other.pid != server.pid
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)


def servers_below(data_dir: DataDir) -> Callable[[], Awaitable[list[psutil.Process]]]:
    async def look() -> list[psutil.Process]:
        return servers(data_dir)

    return look
