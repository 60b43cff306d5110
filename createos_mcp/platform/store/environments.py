"""Environments: what is stored of them, and what is wanted of each."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import LimitReachedError, NameTakenError, ReservedNameError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Environment
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.ports import Ports
from createos_mcp.platform.store.rows import environment_of
from createos_mcp.platform.timestamps import format_time

DEFAULT_NAME = "production"
DEFAULT_RESOURCES: Mapping[str, int] = {"cpu": 500, "memory": 1024, "replicas": 1}

SUFFIX_CHARACTERS = 8
"""How much of its id tells an environment apart whose host name another one has."""


_RESERVED_HOSTS = re.compile(r"dep-.*|createos(-[0-9a-f]{8})?")
"""What the host name of a deployment or of the dashboard may be, without `.localhost`."""


def host_label(unique_name: str, project_name: str) -> str:
    """`production-my-app`."""
    return f"{unique_name}-{project_name}".lower()


def is_reserved(host: str) -> bool:
    """Whether something other than an environment may have this host name."""
    return _RESERVED_HOSTS.fullmatch(host) is not None


class Environments:
    """Reads and durable writes of environments.

    A change that takes time is written as what is wanted (`next_deployment_id`, `resources`), so
    that it comes about also when the platform is killed in between.
    """

    def __init__(self, database: Database, *, ports: Ports, now: Callable[[], datetime]) -> None:
        self._database = database
        self._ports = ports
        self._now = now

    async def add(
        self,
        *,
        project_id: str,
        unique_name: str,
        display_name: str,
        description: str | None,
        branch: str | None,
        is_auto_promote_enabled: bool,
        is_preview: bool = False,
        resources: Mapping[str, int],
        settings: Mapping[str, Json],
        limit: int,
    ) -> Environment:
        """Store an environment, with a host name and a port of its own.

        Raises:
            NameTakenError: The project has an environment of that name.
            LimitReachedError: The project has `limit` environments.
        """

        def insert_within_limit(transaction: Transaction) -> Environment:
            if len(transaction.run("environments", project_id=project_id)) >= limit:
                raise LimitReachedError("environments of a project", limit)
            return self.insert(
                transaction,
                project_id=project_id,
                unique_name=unique_name,
                display_name=display_name,
                description=description,
                branch=branch,
                is_auto_promote_enabled=is_auto_promote_enabled,
                is_preview=is_preview,
                resources=resources,
                settings=settings,
            )

        return await self._database.write(insert_within_limit)

    def insert(
        self,
        transaction: Transaction,
        *,
        project_id: str,
        unique_name: str,
        display_name: str,
        description: str | None = None,
        branch: str | None = None,
        is_auto_promote_enabled: bool,
        is_preview: bool = False,
        resources: Mapping[str, int] = DEFAULT_RESOURCES,
        settings: Mapping[str, Json],
    ) -> Environment:
        """Store an environment as part of a transaction.

        Raises:
            NameTakenError: The project has an environment of that name.
            ReservedNameError: Its host name could be that of something else.
        """
        named = {"project_id": project_id, "unique_name": unique_name}
        if transaction.run("environment_named", **named):
            raise NameTakenError("environment", unique_name)
        environment_id = new_id()
        project = transaction.run("project", id=project_id)[0]
        host = host_label(unique_name, project["unique_name"])
        if is_reserved(host):
            raise ReservedNameError("uniqueName", unique_name)
        if transaction.run("environment_at", host=host):
            host = f"{host}-{environment_id[:SUFFIX_CHARACTERS]}"
        transaction.run(
            "add_environment",
            **named,
            id=environment_id,
            display_name=display_name,
            description=description,
            branch=branch,
            is_auto_promote_enabled=is_auto_promote_enabled,
            is_preview=is_preview,
            resources=_canonical_json(resources),
            settings=json.dumps(settings),
            host=host,
            created_at=format_time(self._now()),
        )
        self._ports.claim(transaction, environment_id)
        return environment_of(transaction.run("environment", id=environment_id)[0])

    async def of(self, project_id: str) -> list[Environment]:
        """A project's environments, oldest first."""
        rows = await self._database.read("environments", project_id=project_id)
        return [environment_of(row) for row in rows]

    async def all(self) -> list[Environment]:
        """Every environment of every user."""
        return [environment_of(row) for row in await self._database.read("all_environments")]

    async def get(self, environment_id: str) -> Environment | None:
        """One environment, whoever owns it."""
        rows = await self._database.read("environment", id=environment_id)
        return environment_of(rows[0]) if rows else None

    async def is_free(self, project_id: str, unique_name: str) -> bool:
        """Whether the project has no environment of that name, upper and lower case alike."""
        return not await self._database.read(
            "environment_named", project_id=project_id, unique_name=unique_name
        )

    async def update(
        self,
        environment_id: str,
        *,
        display_name: str,
        description: str | None,
        branch: str | None,
        is_auto_promote_enabled: bool,
    ) -> None:
        """Change what an environment is called and what it takes by itself."""
        await self._change(
            "update_environment",
            environment_id,
            display_name=display_name,
            description=description,
            branch=branch,
            is_auto_promote_enabled=is_auto_promote_enabled,
        )

    async def set_settings(self, environment_id: str, settings: Mapping[str, Json]) -> None:
        """Replace the settings that the next start takes."""
        await self._change(
            "set_environment_settings", environment_id, settings=json.dumps(settings)
        )

    async def set_next_deployment(self, environment_id: str, deployment_id: str) -> None:
        """Record which deployment shall answer at an environment; it is `promoting` until then."""
        await self._change("set_next_deployment", environment_id, deployment_id=deployment_id)

    async def abandon_next(self, environment_id: str, deployment_id: str, message: str) -> None:
        """Record why the wanted deployment does not answer; the one before goes on."""
        await self._change(
            "abandon_next_deployment", environment_id, deployment_id=deployment_id, message=message
        )

    async def set_deployment(self, environment_id: str, deployment_id: str) -> None:
        """Record which deployment an environment serves."""
        await self._change(
            "set_environment_deployment", environment_id, deployment_id=deployment_id
        )

    async def set_stopped(self, environment_id: str, *, is_stopped: bool) -> None:
        """Record whether an environment stays without an app until someone starts it."""
        await self._change("set_environment_stopped", environment_id, is_stopped=is_stopped)

    async def clear_deployment(self, environment_id: str) -> None:
        """Record that an environment serves nothing any more."""
        await self._change("clear_environment_deployment", environment_id)

    async def set_resources(self, environment_id: str, resources: Mapping[str, int]) -> None:
        """Record what an environment's replicas shall have; it is `resizing` until they do."""
        await self._change(
            "set_environment_resources", environment_id, resources=_canonical_json(resources)
        )

    async def reset_resources(
        self,
        environment_id: str,
        refused: Mapping[str, int],
        resources: Mapping[str, int],
        message: str,
    ) -> None:
        """Return to the resources that the replicas have, after others could not be had."""
        await self._change(
            "reset_environment_resources",
            environment_id,
            refused=_canonical_json(refused),
            resources=_canonical_json(resources),
            message=message,
        )

    async def mark_active(self, environment_id: str, resources: Mapping[str, int]) -> None:
        """Call an environment `active` again, unless more is wanted of it by now."""
        await self._change(
            "mark_environment_active", environment_id, resources=_canonical_json(resources)
        )

    async def mark_deleting(self, environment_id: str) -> None:
        """Mark an environment for deletion."""
        await self._change("mark_environment_deleting", environment_id)

    async def remove(self, environment_id: str) -> None:
        """Forget an environment."""
        await self._database.run("remove_environment", id=environment_id)

    async def _change(self, query: str, environment_id: str, **values: str | bool | None) -> None:
        now = format_time(self._now())
        await self._database.run(query, id=environment_id, now=now, **values)


def _canonical_json(resources: Mapping[str, int]) -> str:
    """Resources as one text for the same values, so that they can be compared."""
    return json.dumps(resources, sort_keys=True)
