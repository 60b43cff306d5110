"""Backups of services: made, kept by count and age, and brought back."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anyio import to_thread

from createos_mcp.platform.errors import (
    InvalidRequestError,
    NotFoundError,
    ServiceFailedError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.paths import DataDir, tree_bytes
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.store.services import Backup, Service, ServiceRows
from createos_mcp.platform.timestamps import parse_time

logger = logging.getLogger(__name__)

DAILY, ASKED_FOR, BEFORE_RESTORE = "daily", "asked for", "before a restore"
BEFORE_UPGRADE, FOR_PREVIEW = "before an upgrade", "for a preview"
WITH_PLATFORM = "with the platform"
KEPT, KEPT_DAYS = 7, 14
"""The newest ones; older ones than that go, but for the newest of all."""

DAY = timedelta(days=1)


class Backups:
    """Copies of services' data, each beside the data in the service's own directory."""

    def __init__(
        self,
        rows: ServiceRows,
        host: ServiceHost,
        data_dir: DataDir,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._rows = rows
        self._host = host
        self._data_dir = data_dir
        self._now = now

    async def make(self, service: Service, cause: str, *, sparing: str | None = None) -> Backup:
        """Copy a service's data, and remove the copies that are not kept any more.

        Args:
            service: Whose.
            cause: Why.
            sparing: A copy that stays whatever its age: it is about to be brought back.

        Raises:
            ServiceFailedError: It cannot be copied.
        """
        await self._host.ensure_running(service.id)
        return await self.copy(service, cause, sparing=sparing)

    async def copy(self, service: Service, cause: str, *, sparing: str | None = None) -> Backup:
        """The same for one that runs already.

        Raises:
            ServiceFailedError: It cannot be copied.
        """
        backup_id = new_id()
        await self._host.script(service, "backup", BACKUP=backup_id)
        size_bytes = await to_thread.run_sync(tree_bytes, self._place(service, backup_id))
        made = await self._rows.add_backup(
            backup_id, service.id, cause=cause, size_bytes=size_bytes
        )
        await self._prune(service, sparing)
        return made

    async def copy_before_upgrade(self, service: Service) -> None:
        """Copy a service's data once more while it runs as it did.

        Raises:
            ServiceFailedError: It cannot be copied.
        """
        await self.copy(service, BEFORE_UPGRADE)

    async def make_all(self) -> int:
        """Copy the data of every service, whoever owns it; how many there are.

        Raises:
            ServiceFailedError: One cannot be copied.
        """
        services = await self._rows.all()
        for service in services:
            await self.make(service, WITH_PLATFORM)
        return len(services)

    async def make_if_due(self, service: Service) -> None:
        """Copy a service's data if that was last done a day ago."""
        found = await self._rows.backups_of(service.id)
        last = found[0].created_at if found else service.created_at
        if self._now() - parse_time(last) >= DAY:
            await self.make(service, DAILY)

    async def restore(self, service: Service, backup_id: str, at: str | None) -> Backup:
        """Bring a backup back; what is there now is kept as a backup of its own.

        Args:
            service: Whose.
            backup_id: One of its own.
            at: A later moment to go to, for kinds that log what is written: ISO 8601.

        Raises:
            NotFoundError: The service has no such backup.
            InvalidRequestError: The moment cannot be reached from that backup.
            ServiceFailedError: It cannot be brought back; the data is as it was.
        """
        found = {backup.id: backup for backup in await self._rows.backups_of(service.id)}
        backup = found.get(backup_id)
        if backup is None:
            raise NotFoundError("backup of this service", backup_id)
        target = self._target(service, backup, at) if at else ""
        is_kept = True
        try:
            await self.make(service, BEFORE_RESTORE, sparing=backup_id)
        except ServiceFailedError as error:
            logger.warning(
                "%s is restored without a backup of what is there: %s", service.id, error
            )
            is_kept = False
        await self._host.restore(service, backup_id, target, keeps_former=not is_kept)
        return backup

    def _target(self, service: Service, backup: Backup, at: str) -> str:
        if service.kind != "postgres":
            raise InvalidRequestError(f"at: {service.kind} is brought back as it was backed up.")
        try:
            moment = parse_time(at).astimezone(UTC)
        except ValueError as error:
            raise InvalidRequestError("at: not a moment such as 2026-03-01T12:00:00Z.") from error
        if not parse_time(backup.created_at) <= moment <= self._now():
            raise InvalidRequestError(
                f"at: choose a moment between the backup, {backup.created_at}, and now."
            )
        return f"{moment:%Y-%m-%d %H:%M:%S.%f}+00"

    async def _prune(self, service: Service, sparing: str | None) -> None:
        oldest = self._now() - timedelta(days=KEPT_DAYS)
        for number, backup in enumerate(await self._rows.backups_of(service.id)):
            is_old = number >= KEPT or parse_time(backup.created_at) < oldest
            if number and is_old and backup.id != sparing:
                await self._rows.remove_backup(backup.id)
                await self._host.script(service, "prune", BACKUP=backup.id)

    def _place(self, service: Service, backup_id: str) -> Path:
        return self._data_dir.service(service.id) / "backups" / backup_id
