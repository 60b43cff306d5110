"""The service host: starts services, looks after them, runs scripts beside them, and ends them.

A service runs as an app does: a launcher and a sandbox of its own, as a user of its own to the
kernel. It listens on no network, only on a Unix socket in its own directory.
"""

import logging
import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.engines.engine import Engine
from createos_mcp.platform.engines.instances import from_json, to_json
from createos_mcp.platform.errors import (
    NotFoundError,
    PlatformError,
    ServiceFailedError,
    StorageError,
)
from createos_mcp.platform.models import Instance
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.services.image_commands import ImageCommands
from createos_mcp.platform.services.image_kinds import ImageKind, kind_of
from createos_mcp.platform.services.kinds import ProcessKind, ServiceKind
from createos_mcp.platform.services.service_commands import ServiceCommands
from createos_mcp.platform.states import ServiceStatus
from createos_mcp.platform.store.services import Service, ServiceRows

logger = logging.getLogger(__name__)

STOP_GRACE_S = 30.0
RESTART_DELAYS_S = (0.1, 1.0, 5.0, 15.0, 60.0)
RETRY_S = 30.0
"""Between tries to start a service that something needs; what is wrong may pass, as a full disk."""
PASSWORD_BYTES = 24

BackUp = Callable[[Service], Awaitable[None]]


class ServiceHost:
    """Runs services; whoever starts or ends one holds its lock.

    Args:
        rows: What is stored of them.
        processes: Runs those whose programs are fetched.
        commands: What is done with those.
        containers: Runs those from images.
        image_commands: What is done with those.
    """

    def __init__(
        self,
        *,
        rows: ServiceRows,
        processes: Engine,
        commands: ServiceCommands,
        containers: Engine,
        image_commands: ImageCommands,
        data_dir: DataDir,
        background: Background,
    ) -> None:
        self._rows = rows
        self._processes = processes
        self._commands = commands
        self._containers = containers
        self._image_commands = image_commands
        self._data_dir = data_dir
        self._background = background
        self._running: dict[str, Instance] = {}
        self._watchers: dict[str, Work] = {}
        self._used_at: dict[str, float] = {}
        self._tried_at: dict[str, float] = {}
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self.before_upgrade: BackUp = _back_up_nothing
        """Told of each service that is about to run from another package."""

    def is_running(self, service_id: str) -> bool:
        """Whether a service runs now."""
        return service_id in self._running

    def note_use(self, service_id: str) -> None:
        """Count a service as used now."""
        self._used_at[service_id] = anyio.current_time()

    def unused_s(self, service_id: str) -> float:
        """How long nothing has asked for a service, and nothing that is bound to it ran."""
        return anyio.current_time() - self._used_at.setdefault(service_id, anyio.current_time())

    def instance(self, service_id: str) -> Instance | None:
        """What runs of a service."""
        return self._running.get(service_id)

    def socket_directory(self, service: Service) -> Path:
        """Where a service's socket is."""
        return self._data_dir.service(service.id) / "run"

    async def recover(self) -> None:
        """Find services again that outlived the platform, and start those that were awake."""
        services = await self._rows.all()
        await to_thread.run_sync(self._collect, {service.id for service in services})
        for service in services:
            written = service.instance or {}
            is_known = "process" in written
            instance = None
            if is_known:
                log_file = self.log_file(service.id)
                former = from_json(written)
                instance = await self._engine_of(former).adopt(former, log_file)
            if instance is None:
                if written:
                    for engine in (self._processes, self._containers):
                        await engine.end_strays([str(written["replica_id"])])
                    await self._rows.set_instance(service.id, None)
                if service.status is not ServiceStatus.SLEEPING:
                    self.start(service.id)
            else:
                self._watch(service.id, instance)

    def _collect(self, service_ids: Collection[str]) -> None:
        """Remove what is left of services whose deletion was interrupted."""
        for directory in self._data_dir.services.glob("*"):
            if directory.name not in service_ids:
                _remove(directory)

    def start(self, service_id: str) -> None:
        """Begin to run a service in the background."""
        self._background.start(self.begin, service_id)

    def retry(self, service_id: str) -> None:
        """Begin to run a service that gave up, at most once in RETRY_S."""
        since_s = anyio.current_time() - self._tried_at.get(service_id, -RETRY_S)
        if since_s >= RETRY_S and not self._locks[service_id].locked():
            self.start(service_id)

    async def begin(self, service_id: str) -> None:
        """Start a service; why it does not is told by its status."""
        try:
            await self.ensure_running(service_id)
        except PlatformError as error:
            logger.warning("service %s does not start: %s", service_id, error)

    async def ensure_running(self, service_id: str) -> None:
        """Return once a service answers.

        Raises:
            NotFoundError: There is none of that ID.
            ServiceFailedError: It does not start; the sentence says why.
        """
        self.note_use(service_id)
        self._tried_at[service_id] = anyio.current_time()
        async with self._locks[service_id]:
            if service_id not in self._running:
                await self._start(await self._rows.get(service_id))
        self.note_use(service_id)

    async def restart(self, service_id: str) -> None:
        """End a service and start it again, with what it may use now.

        Raises:
            ServiceFailedError: It does not start.
        """
        async with self._locks[service_id]:
            await self._end(service_id)
            await self._start(await self._rows.get(service_id))

    async def sleep(self, service_id: str, reason: str) -> None:
        """Give back what a service uses, until something that is bound to it wakes."""
        async with self._locks[service_id]:
            if service_id in self._running:
                await self._end(service_id)
                await self._rows.set_status(service_id, ServiceStatus.SLEEPING, reason)

    async def remove(self, service: Service) -> None:
        """End a service and delete its data and backups."""
        async with self._locks[service.id]:
            await self._end(service.id)
            await self._rows.remove(service.id)
            directory = self._data_dir.service(service.id)
            await to_thread.run_sync(_remove, directory)

    async def restore(
        self, service: Service, backup_id: str, target: str, *, keeps_former: bool
    ) -> None:
        """Put a backup where the data is; what was there returns if that does not start.

        Args:
            service: Whose.
            backup_id: One of its own.
            target: A moment after the backup, where the kind can go there; or empty.
            keeps_former: Whether what was there stays next to the data: it is in no backup.

        Raises:
            ServiceFailedError: It cannot be restored; the data is as it was.
        """
        async with self._locks[service.id]:
            await self._end(service.id)
            try:
                await self.script(service, "restore", BACKUP=backup_id, TARGET=target)
                await self._start(service)
                await self.script(service, "settle", KEEP="yes" if keeps_former else "")
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._end(service.id)
                    await self.script(service, "revert")
                    with suppress(ServiceFailedError):
                        await self._start(service)
                raise

    async def stop_all(self) -> None:
        """End every service; each starts again with the platform."""
        async with anyio.create_task_group() as ends:
            for service_id in [*self._running]:
                ends.start_soon(self._end, service_id)

    async def script(self, service: Service, verb: str, **variables: str) -> list[str]:
        """Run what the kind does for a verb; the lines that it printed.

        Raises:
            ServiceFailedError: It failed or took too long; the sentence has its last line.
        """
        return await self._commands_of(service).run(service, verb, **variables)

    def _commands_of(self, service: Service) -> ServiceCommands | ImageCommands:
        is_image = isinstance(kind_of(service), ImageKind)
        return self._image_commands if is_image else self._commands

    def _engine_of(self, instance: Instance) -> Engine:
        return self._containers if instance.is_contained else self._processes

    async def _start(self, service: Service) -> None:
        kind = kind_of(service)
        await self._rows.set_status(service.id, ServiceStatus.STARTING)
        if isinstance(kind, ProcessKind) and service.package not in {None, kind.package}:
            await self._back_up_before(service, replace(kind, package=str(service.package)))
        instance = await self._launch(service, kind)
        self._watch(service.id, instance)
        if isinstance(kind, ProcessKind):
            await self._rows.set_package(service.id, kind.package)
        await self._rows.set_status(service.id, ServiceStatus.RUNNING)

    async def _back_up_before(self, service: Service, former: ProcessKind) -> None:
        """Run it once more as it did, so that there is a backup from before an upgrade."""
        try:
            instance = await self._launch(service, former)
            try:
                await self.before_upgrade(service)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._processes.end(instance, grace_s=STOP_GRACE_S)
                    await self._rows.set_instance(service.id, None)
        except ServiceFailedError as error:
            logger.warning("%s is upgraded without a backup: %s", service.name, error)

    async def _launch(self, service: Service, kind: ServiceKind) -> Instance:
        """Start a service and return once it answers.

        Raises:
            ServiceFailedError: It does not; its status says so.
        """
        try:
            await to_thread.run_sync(self._make_directory, service)
            await self.script(service, "init")
            given = {"MEMORY_MB": str(service.memory_mb)}
            commands = self._commands_of(service)
            spec = await commands.spec(service, kind, given, memory_mb=service.memory_mb)
            is_image = isinstance(kind, ImageKind)
            engine = self._containers if is_image else self._processes
            # First its name: what a platform that is killed now has started is found by it.
            await self._rows.set_instance(service.id, {"replica_id": spec.replica_id})
            instance = await engine.begin(spec)
            await self._rows.set_instance(service.id, to_json(instance))
            try:
                await self._until_ready(service, instance)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await engine.end(instance, grace_s=STOP_GRACE_S)
                    await self._rows.set_instance(service.id, None)
                raise
        except (PlatformError, OSError) as error:
            await self._rows.set_status(service.id, ServiceStatus.FAILED, str(error))
            if isinstance(error, ServiceFailedError):
                raise
            raise ServiceFailedError(service.name, "start", str(error)) from error
        return instance

    async def _until_ready(self, service: Service, instance: Instance) -> None:
        """Return once it answers.

        Raises:
            ServiceFailedError: It ended, or the time is over.
        """
        failed: list[str] = []

        async def look() -> None:
            exit_code = await self._engine_of(instance).wait(instance)
            failed.append(f"it exited with {exit_code}; {self._last_line(service)}")
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            try:
                await self.script(service, "ready")
            except ServiceFailedError as error:
                failed.append(str(error))
            tasks.cancel_scope.cancel()
        if failed:
            raise ServiceFailedError(service.name, "start", failed[0])

    def _last_line(self, service: Service) -> str:
        try:
            lines = self.log_file(service.id).read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it printed nothing"

    def log_file(self, service_id: str) -> Path:
        """What a service printed."""
        return self._commands.log_file(service_id)

    def _watch(self, service_id: str, instance: Instance) -> None:
        self._running[service_id] = instance
        self._watchers[service_id] = self._background.start(
            self._until_it_ends, service_id, instance
        )

    async def _until_it_ends(self, service_id: str, instance: Instance) -> None:
        engine = self._engine_of(instance)
        exit_code = await engine.wait(instance)
        with anyio.CancelScope(shield=True):
            self._running.pop(service_id, None)
            is_full = engine.was_out_of_memory(instance)
            await engine.end(instance, grace_s=0)
            with suppress(StorageError):
                await self._rows.set_instance(service_id, None)
        reason = f"It exited with {exit_code}"
        if is_full:
            reason = "It was killed: it used more than its memory"
        await self._restart(service_id, reason)

    async def _restart(self, service_id: str, reason: str) -> None:
        for delay_s in RESTART_DELAYS_S:
            with suppress(StorageError):
                await self._rows.set_status(
                    service_id, ServiceStatus.STARTING, f"{reason}; restarting"
                )
            await anyio.sleep(delay_s)
            try:
                await self.ensure_running(service_id)
            except NotFoundError:
                return
            except (ServiceFailedError, StorageError) as error:
                reason = str(error)
            else:
                return
        logger.warning("service %s failed %s times", service_id, len(RESTART_DELAYS_S))

    async def _end(self, service_id: str) -> None:
        instance = self._running.pop(service_id, None)
        watcher = self._watchers.pop(service_id, None)
        with anyio.CancelScope(shield=True):
            if watcher is not None:
                await watcher.abandon()
            if instance is not None:
                await self._engine_of(instance).end(instance, grace_s=STOP_GRACE_S)
                await self._rows.set_instance(service_id, None)

    def _make_directory(self, service: Service) -> None:
        directory = self._data_dir.service(service.id)
        directory.parent.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o755, exist_ok=True)
        uid = self.uid_of(service)
        if uid is not None:
            os.chown(directory, uid, uid)

    def uid_of(self, service: Service) -> int | None:
        """The kernel's user of a service, where it has one."""
        return self._commands_of(service).uid_of(service)


async def _back_up_nothing(_service: Service) -> None:
    return


def new_password() -> str:
    """One that nobody chose; letters that no URL and no shell has to quote."""
    return secrets.token_hex(PASSWORD_BYTES)


def _remove(directory: Path) -> None:
    """Delete what a service wrote; links in it are removed and not followed."""
    shutil.rmtree(directory, ignore_errors=True)
