"""Services: what is stored of databases and caches, of what may use them, and of their backups."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import (
    InvalidRequestError,
    LimitReachedError,
    NameTakenError,
    NotFoundError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Group
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.states import ServiceStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.timestamps import format_time

MAX_SERVICES = 20
"""Of one user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A database or cache of a user."""

    id: str
    serial: int
    """A small number of its own, never given again."""
    user_id: str
    name: str
    kind: str
    """`postgres`, `valkey`, `mongodb`."""
    version: str
    memory_mb: int
    cpu_millicores: int
    size_mb: int
    """What its data may take on disk."""
    status: ServiceStatus
    reason: str | None
    secret: str = field(repr=False)
    """The password of the role that the platform itself uses."""
    app_id: str | None
    instance: Mapping[str, Json] | None
    """What runs of it, as it was written down."""
    package: str | None
    """Of PyPI, at its version, or an image by digest: what it was last started from."""
    image: Mapping[str, Json] | None
    """What was chosen of the image that it runs, `{"reference": "mongo:8"}`; None without one."""
    preview_of: str | None
    """The environment of a branch that this copy was made for, and goes with."""
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """A service that an environment may use, under the name of a variable."""

    id: str
    service_id: str
    environment_id: str
    variable: str
    role: str
    secret: str = field(repr=False)
    created_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Where a service is bound, with names."""

    binding: Binding
    project_id: str
    project: str
    environment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """A copy of a service's data."""

    id: str
    service_id: str
    cause: str
    """`daily`, `asked for`, or what it was made before."""
    size_bytes: int
    created_at: str


class ServiceRows:
    """Reads and durable writes of services; passwords are sealed in the database."""

    def __init__(self, database: Database, sealer: Sealer, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._sealer = sealer
        self._now = now

    async def add(
        self,
        *,
        user_id: str,
        name: str,
        kind: str,
        version: str,
        memory_mb: int,
        cpu_millicores: int,
        size_mb: int,
        secret: str,
        limit: int,
        image: Mapping[str, Json] | None = None,
        package: str | None = None,
        preview_of: str | None = None,
    ) -> Service:
        """Store a service that is about to start.

        Raises:
            NameTakenError: The user has one of that name.
            LimitReachedError: The user has `limit` of them.
        """
        service_id = new_id()

        def insert(transaction: Transaction) -> None:
            if transaction.run("service_named", user_id=user_id, name=name):
                raise NameTakenError("service", name)
            if len(transaction.run("services_of", user_id=user_id)) >= limit:
                raise LimitReachedError("services", limit)
            transaction.run(
                "add_service",
                id=service_id,
                user_id=user_id,
                name=name,
                kind=kind,
                version=version,
                memory_mb=memory_mb,
                cpu_millicores=cpu_millicores,
                size_mb=size_mb,
                secret=self._sealer.seal(secret),
                image=self._sealer.seal(json.dumps(image)) if image is not None else None,
                package=package,
                preview_of=preview_of,
                now=format_time(self._now()),
            )

        await self._database.write(insert)
        return await self.get(service_id)

    async def get(self, service_id: str) -> Service:
        """One service, whoever owns it.

        Raises:
            NotFoundError: There is none of that ID.
        """
        rows = await self._database.read("service", id=service_id)
        if not rows:
            raise NotFoundError("service", service_id)
        return self._service(rows[0])

    async def of(self, user_id: str) -> list[Service]:
        """A user's services, oldest first."""
        rows = await self._database.read("services_of", user_id=user_id)
        return [self._service(row) for row in rows]

    async def all(self) -> list[Service]:
        """Everybody's."""
        return [self._service(row) for row in await self._database.read("all_services")]

    async def in_app(self, app_id: str) -> list[Service]:
        """Those of a group."""
        rows = await self._database.read("services_in_app", app_id=app_id)
        return [self._service(row) for row in rows]

    async def set_status(
        self, service_id: str, status: ServiceStatus, reason: str | None = None
    ) -> None:
        """Record how a service is, and why."""
        now = format_time(self._now())
        await self._database.run(
            "set_service_status", id=service_id, status=status, reason=reason, now=now
        )

    async def set_instance(self, service_id: str, instance: Mapping[str, Json] | None) -> None:
        """Record what runs of a service, so that it is found again."""
        written = json.dumps(instance) if instance is not None else None
        await self._database.run("set_service_instance", id=service_id, instance=written)

    async def set_package(self, service_id: str, package: str) -> None:
        """Record what a service was started from."""
        await self._database.run("set_service_package", id=service_id, package=package)

    async def set_resources(
        self, service_id: str, *, memory_mb: int, cpu_millicores: int, size_mb: int
    ) -> None:
        """Record what a service may use."""
        await self._database.run(
            "set_service_resources",
            id=service_id,
            memory_mb=memory_mb,
            cpu_millicores=cpu_millicores,
            size_mb=size_mb,
            now=format_time(self._now()),
        )

    async def remove(self, service_id: str) -> None:
        """Forget a service, its bindings and its backups."""
        await self._database.run("remove_service", id=service_id)

    async def take_in(self, group: Group, service_ids: list[str]) -> None:
        """Put services into a group: all of them or none.

        Raises:
            NotFoundError: The user has no such service.
        """

        def assign(transaction: Transaction) -> None:
            for service_id in service_ids:
                _owned(transaction, group, service_id)
                self._group(transaction, service_id, group.id)

        await self._database.write(assign)

    async def let_go(self, group: Group, service_ids: list[str]) -> None:
        """Take services out of a group: all of them or none.

        Raises:
            NotFoundError: The user has no such service.
            InvalidRequestError: One is not in the group.
        """

        def release(transaction: Transaction) -> None:
            for service_id in service_ids:
                if _owned(transaction, group, service_id)["app_id"] != group.id:
                    raise InvalidRequestError(
                        f"serviceIds: {service_id!r} is not in the app {group.name!r}; "
                        "ListServicesByApp lists its services."
                    )
                self._group(transaction, service_id, None)

        await self._database.write(release)

    def _group(self, transaction: Transaction, service_id: str, app_id: str | None) -> None:
        transaction.run("group_service", id=service_id, app_id=app_id, now=format_time(self._now()))

    async def bind(
        self, service: Service, environment_id: str, variable: str, *, role: str, secret: str
    ) -> Binding:
        """Store that an environment may use a service.

        Raises:
            NameTakenError: Something is bound there under that name.
        """
        binding_id = new_id()

        def insert(transaction: Transaction) -> None:
            if transaction.run("binding_under", environment_id=environment_id, variable=variable):
                raise NameTakenError("binding of this environment", variable)
            transaction.run(
                "add_binding",
                id=binding_id,
                service_id=service.id,
                environment_id=environment_id,
                variable=variable,
                role=role,
                secret=self._sealer.seal(secret),
                now=format_time(self._now()),
            )

        await self._database.write(insert)
        (row,) = await self._database.read("binding", id=binding_id)
        return self._binding(row)

    async def bindings_of(self, environment_id: str) -> list[Binding]:
        """What an environment may use, in the order in which it was bound."""
        rows = await self._database.read("bindings_of_environment", environment_id=environment_id)
        return [self._binding(row) for row in rows]

    async def secrets_of(self, project_id: str) -> list[str]:
        """The passwords that a project's apps are told."""
        rows = await self._database.read("bindings_of_project", project_id=project_id)
        return [self._binding(row).secret for row in rows]

    async def bound(self, service_id: str) -> list[Bound]:
        """Where a service is bound."""
        return [
            Bound(
                binding=self._binding(row),
                project_id=row["project_id"],
                project=row["project"],
                environment=row["environment"],
            )
            for row in await self._database.read("bindings_of_service", service_id=service_id)
        ]

    async def rename_role(self, binding_id: str, *, role: str, secret: str) -> None:
        """Record the role that a binding uses from now on; the former one is to be dropped."""
        await self._database.run(
            "set_binding_role", id=binding_id, role=role, secret=self._sealer.seal(secret)
        )

    async def unbind(self, binding_id: str) -> None:
        """Forget a binding; its role is to be dropped."""
        await self._database.run("remove_binding", id=binding_id)

    async def unbound_roles(self) -> list[tuple[str, str]]:
        """Service and role of bindings that are gone or renewed, where no app began with it."""
        rows = await self._database.read("unbound_roles")
        return [(row["service_id"], row["role"]) for row in rows]

    async def release_roles(self, service_id: str, environment_id: str) -> None:
        """Record that an environment goes on with none of its former roles."""
        await self._database.run(
            "release_roles", service_id=service_id, environment_id=environment_id
        )

    async def forget_role(self, service_id: str, role: str) -> None:
        """Record that a role is gone from its service."""
        await self._database.run("forget_unbound_role", service_id=service_id, role=role)

    async def add_backup(
        self, backup_id: str, service_id: str, *, cause: str, size_bytes: int
    ) -> Backup:
        """Record a backup that is complete on disk."""
        await self._database.run(
            "add_backup",
            id=backup_id,
            service_id=service_id,
            cause=cause,
            size_bytes=size_bytes,
            now=format_time(self._now()),
        )
        (row,) = await self._database.read("backup", id=backup_id)
        return _backup(row)

    async def backups_of(self, service_id: str) -> list[Backup]:
        """A service's backups, newest first."""
        rows = await self._database.read("backups_of", service_id=service_id)
        return [_backup(row) for row in rows]

    async def remove_backup(self, backup_id: str) -> None:
        """Forget a backup."""
        await self._database.run("remove_backup", id=backup_id)

    def _service(self, row: sqlite3.Row) -> Service:
        return Service(
            id=row["id"],
            serial=row["serial"],
            user_id=row["user_id"],
            name=row["name"],
            kind=row["kind"],
            version=row["version"],
            memory_mb=row["memory_mb"],
            cpu_millicores=row["cpu_millicores"],
            size_mb=row["size_mb"],
            status=ServiceStatus(row["status"]),
            reason=row["reason"],
            secret=self._sealer.unseal(row["secret"]),
            app_id=row["app_id"],
            instance=json.loads(row["instance"]) if row["instance"] else None,
            package=row["package"],
            image=json.loads(self._sealer.unseal(row["image"])) if row["image"] else None,
            preview_of=row["preview_of"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    def _binding(self, row: sqlite3.Row) -> Binding:
        return Binding(
            id=row["id"],
            service_id=row["service_id"],
            environment_id=row["environment_id"],
            variable=row["variable"],
            role=row["role"],
            secret=self._sealer.unseal(row["secret"]),
            created_at=row["created_at"],
        )


def _owned(transaction: Transaction, group: Group, service_id: str) -> sqlite3.Row:
    """A service of the one whose group that is."""
    rows = transaction.run("service", id=service_id)
    if not rows or rows[0]["user_id"] != group.user_id:
        raise NotFoundError("service", service_id)
    return rows[0]


def _backup(row: sqlite3.Row) -> Backup:
    return Backup(
        id=row["id"],
        service_id=row["service_id"],
        cause=row["cause"],
        size_bytes=row["size_bytes"],
        created_at=row["created_at"],
    )
