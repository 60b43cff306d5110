"""Projects: what is stored of them."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import LimitReachedError, NameTakenError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Environment, Project
from createos_mcp.platform.states import ProjectStatus, ProjectType
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.environments import DEFAULT_NAME, Environments
from createos_mcp.platform.store.rows import project_of, total_of
from createos_mcp.platform.timestamps import format_time


class Projects:
    """Reads and durable writes of projects."""

    def __init__(
        self, database: Database, *, environments: Environments, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._environments = environments
        self._now = now

    async def add(
        self,
        *,
        user_id: str,
        unique_name: str,
        display_name: str,
        description: str | None,
        type: ProjectType,  # noqa: A002 - the API's own word for it
        source: Mapping[str, Json],
        settings: Mapping[str, Json],
        enabled_security_scan: bool,
        app_id: str | None,
        limit: int,
    ) -> tuple[Project, Environment]:
        """Store a project together with its `production` environment.

        Raises:
            NameTakenError: The user has a project of that name.
            LimitReachedError: The user has `limit` projects.
        """
        project_id, now = new_id(), format_time(self._now())

        def insert(transaction: Transaction) -> tuple[Project, Environment]:
            if transaction.run("project_named", user_id=user_id, unique_name=unique_name):
                raise NameTakenError("project", unique_name)
            if transaction.run("count_projects", user_id=user_id)[0]["total"] >= limit:
                raise LimitReachedError("projects", limit)
            transaction.run(
                "add_project",
                id=project_id,
                user_id=user_id,
                unique_name=unique_name,
                display_name=display_name,
                description=description,
                type=type,
                status=ProjectStatus.ACTIVE,
                source=json.dumps(source),
                settings=json.dumps(settings),
                enabled_security_scan=enabled_security_scan,
                app_id=app_id,
                created_at=now,
            )
            environment = self._environments.insert(
                transaction,
                project_id=project_id,
                unique_name=DEFAULT_NAME,
                display_name=DEFAULT_NAME.capitalize(),
                is_auto_promote_enabled=True,
                settings={"runEnvs": {}},
            )
            project = project_of(transaction.run("project", id=project_id)[0])
            return project, environment

        return await self._database.write(insert)

    async def get(self, user_id: str, project_id: str) -> Project | None:
        """A project of that user."""
        project = await self.by_id(project_id)
        return project if project is not None and project.user_id == user_id else None

    async def serial_of(self, project_id: str) -> int:
        """A number from 1 on that no other project has or had."""

        def ensure(transaction: Transaction) -> int:
            transaction.run("add_project_user", project_id=project_id)
            serial: int = transaction.run("project_user", project_id=project_id)[0]["serial"]
            return serial

        return await self._database.write(ensure)

    async def by_id(self, project_id: str) -> Project | None:
        """A project, whoever owns it."""
        rows = await self._database.read("project", id=project_id)
        return project_of(rows[0]) if rows else None

    async def named(self, user_id: str, unique_name: str) -> Project | None:
        """A user's project of that name, upper and lower case alike."""
        rows = await self._database.read("project_named", user_id=user_id, unique_name=unique_name)
        return project_of(rows[0]) if rows else None

    async def page(
        self,
        user_id: str,
        *,
        limit: int,
        offset: int,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word for it
        status: str | None = None,
        app: str | None = None,
    ) -> tuple[list[Project], int]:
        """A page of a user's projects, newest first, and how many there are."""
        filters = {"name": name, "type": type, "status": status, "app": app}
        rows = await self._database.read(
            "projects", user_id=user_id, limit=limit, offset=offset, **filters
        )
        if not rows and offset:
            _, total = await self.page(
                user_id, limit=1, offset=0, name=name, type=type, status=status, app=app
            )
            return [], total
        return [project_of(row) for row in rows], total_of(rows)

    async def in_status(self, status: ProjectStatus) -> list[Project]:
        """Every user's projects in one state."""
        return [project_of(row) for row in await self._database.read("projects_in", status=status)]

    async def update(
        self,
        project_id: str,
        *,
        display_name: str,
        description: str | None,
        enabled_security_scan: bool,
    ) -> None:
        """Change what a project is called and whether it is scanned."""
        await self._database.run(
            "update_project",
            id=project_id,
            display_name=display_name,
            description=description,
            enabled_security_scan=enabled_security_scan,
            now=format_time(self._now()),
        )

    async def set_settings(self, project_id: str, settings: Mapping[str, Json]) -> None:
        """Replace the settings that the next deployment is built with."""
        await self._database.run(
            "set_project_settings",
            id=project_id,
            settings=json.dumps(settings),
            now=format_time(self._now()),
        )

    async def set_status(self, project_id: str, status: ProjectStatus) -> None:
        """Move a project to another state."""
        await self._database.run(
            "set_project_status", id=project_id, status=status, now=format_time(self._now())
        )

    async def change_status(
        self, project_id: str, before: ProjectStatus, status: ProjectStatus
    ) -> bool:
        """Move a project from one state to another; whether it was in the first."""
        rows = await self._database.run(
            "change_project_status",
            id=project_id,
            before=before,
            status=status,
            now=format_time(self._now()),
        )
        return bool(rows)

    async def remove(self, project_id: str) -> None:
        """Forget a project and everything that belongs to it."""
        await self._database.run("remove_project", id=project_id)
