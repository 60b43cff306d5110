"""Credentials for registries of images: a user's own, or those of one of their projects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.database import Database
from createos_mcp.platform.timestamps import format_time


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryLogin:
    """What a registry is asked with."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryRow:
    """Credentials as they are listed: without their secret."""

    registry: str
    user: str
    project: str | None
    username: str


class RegistryCredentials:
    """Reads and durable writes of credentials; passwords are sealed in the database."""

    def __init__(self, database: Database, sealer: Sealer, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._sealer = sealer
        self._now = now

    async def set(self, login: RegistryLogin, *, user_id: str, project_id: str | None) -> None:
        """Store credentials, in place of those that were there."""
        await self._database.run(
            "set_registry_credentials",
            registry=login.registry,
            user_id=user_id,
            project_id=project_id,
            username=login.username,
            secret=self._sealer.seal(login.password),
            now=format_time(self._now()),
        )

    async def find(self, registry: str, *, user_id: str, project_id: str) -> RegistryLogin | None:
        """What a project asks a registry with: its own credentials, or its owner's."""
        rows = await self._database.read(
            "registry_credentials_for",
            registry=registry,
            user_id=user_id,
            project_id=project_id,
        )
        if not rows:
            return None
        password = self._sealer.unseal(rows[0]["secret"])
        return RegistryLogin(registry=registry, username=rows[0]["username"], password=password)

    async def all(self) -> Sequence[RegistryRow]:
        """Everybody's, without their secrets."""
        return [
            RegistryRow(
                registry=row["registry"],
                user=row["user"],
                project=row["project"],
                username=row["username"],
            )
            for row in await self._database.read("all_registry_credentials")
        ]

    async def remove(self, registry: str, *, user_id: str, project_id: str | None) -> bool:
        """Forget credentials; whether there were any."""
        rows = await self._database.run(
            "remove_registry_credentials",
            registry=registry,
            user_id=user_id,
            project_id=project_id,
        )
        return bool(rows)
