"""Upkeep of services: sleep, size, daily backups, and the roles of bindings that are gone."""

import logging
import shutil
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
from anyio import to_thread

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import PlatformError
from createos_mcp.platform.paths import tree_bytes
from createos_mcp.platform.services.backups import Backups
from createos_mcp.platform.services.bindings import Bindings
from createos_mcp.platform.services.image_kinds import ImageKind, kind_of
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.services.volumes import Volumes
from createos_mcp.platform.states import ServiceStatus
from createos_mcp.platform.store.services import Service
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)

AwakeProjects: TypeAlias = Callable[[], Awaitable[set[str]]]

POLL_S = 5.0
IDLE_S = 300.0
"""How long all that is bound to a service sleeps before it does: a command may still use it."""
MB = 2**20
FAR_ABOVE = 1.5
"""Of its size: here it is stopped, since who is bound to it can turn writes on again."""

FREED = 0.95
"""Of its size: below it a service that was full takes writes again."""

ASLEEP = "All that is bound to it sleeps"


class ServiceUpkeep:
    """Looks at every service now and then.

    Args:
        awake_projects: Tells which projects have something that runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        host: ServiceHost,
        volumes: Volumes,
        bindings: Bindings,
        backups: Backups,
        awake_projects: AwakeProjects,
        config: PlatformConfig,
    ) -> None:
        self._rows = store.services
        self._environments = store.environments
        self._volumes = volumes
        self._host = host
        self._bindings = bindings
        self._backups = backups
        self._awake_projects = awake_projects
        self._data_dir = config.data_dir
        self._disk_floor_mb = config.disk_floor_mb

    async def run(self) -> None:
        """Look for as long as the platform lives."""
        while True:
            await anyio.sleep(POLL_S)
            try:
                await self.look()
            except (PlatformError, OSError) as error:
                logger.warning("services could not be looked at: %s", error)

    async def look(self) -> None:
        """Look at every service once; a fault in one is told and does not touch the others."""
        services = await self._rows.all()
        awake = await self._awake_projects() if services else set()
        there = {environment.id for environment in await self._environments.all()}
        for service in services:
            try:
                if service.preview_of is not None and service.preview_of not in there:
                    await self._host.remove(service)
                    continue
                await self._look_at(service, awake)
            except (PlatformError, OSError) as error:
                logger.warning("service %s: %s", service.name, error)
        await self._bindings.drop_unbound()
        if self._data_dir.volumes.is_dir():
            await to_thread.run_sync(self._volumes.collect, there)

    async def _look_at(self, service: Service, awake: set[str]) -> None:
        bound = await self._rows.bound(service.id)
        is_needed = any(one.project_id in awake for one in bound)
        if not self._host.is_running(service.id):
            if is_needed and service.status is not ServiceStatus.SLEEPING:
                self._host.retry(service.id)
            return
        is_idle = bool(bound) and not is_needed
        if not is_idle:
            self._host.note_use(service.id)
        elif self._host.unused_s(service.id) >= IDLE_S:
            await self._host.sleep(service.id, ASLEEP)
            return
        await self._keep_size(service)
        await self._backups.make_if_due(service)

    async def _keep_size(self, service: Service) -> None:
        """Take no more writes where there is no room, before the disk refuses them."""
        directory = self._data_dir.service(service.id)
        used_mb = await to_thread.run_sync(tree_bytes, directory / "data") / MB
        free_mb = shutil.disk_usage(directory).free / MB
        full = ""
        if used_mb > service.size_mb:
            full = f"its data takes {used_mb:.0f} MB of {service.size_mb} MB"
        elif free_mb < self._disk_floor_mb:
            full = f"less than {self._disk_floor_mb} MB of this machine's disk are free"
        takes_no_orders = isinstance(kind_of(service), ImageKind)
        if used_mb > service.size_mb * FAR_ABOVE or (full and takes_no_orders):
            await self._host.sleep(service.id, f"It was stopped: {full}. UpdateService gives more")
            return
        if full and service.status is ServiceStatus.RUNNING:
            await self._host.script(service, "freeze")
            reason = f"It takes no writes: {full}. UpdateService gives it more"
            await self._rows.set_status(service.id, ServiceStatus.READ_ONLY, reason)
        is_free = used_mb < service.size_mb * FREED and not full
        if is_free and service.status is ServiceStatus.READ_ONLY:
            await self._host.script(service, "thaw")
            await self._rows.set_status(service.id, ServiceStatus.RUNNING)
