"""What the platform has acknowledged: projects, environments, deployments, ports, accounts."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from createos_mcp.platform.errors import (
    IllegalTransitionError,
    LimitReachedError,
    NameTakenError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import (
    TRANSITIONS,
    Deployment,
    DeploymentStatus,
    Environment,
    Json,
    LogLine,
    Project,
    ProjectStatus,
    ProjectType,
)
from createos_mcp.platform.store.accounts import Accounts
from createos_mcp.platform.store.cronjobs import Cronjobs
from createos_mcp.platform.store.database import Database, Transaction, open_database
from createos_mcp.platform.store.domains import Domains
from createos_mcp.platform.store.environments import DEFAULT_NAME, Environments
from createos_mcp.platform.store.groups import Groups
from createos_mcp.platform.store.ports import Ports
from createos_mcp.platform.store.replica_sets import ReplicaSets
from createos_mcp.platform.store.rows import deployment_of, log_line_of, project_of
from createos_mcp.platform.store.transfers import Transfers
from createos_mcp.platform.timestamps import format_time


@asynccontextmanager
async def open_store(
    path: Path, *, app_ports: range, now: Callable[[], datetime]
) -> AsyncIterator["Store"]:
    """Open the store in a database file, for as long as the context lasts.

    Args:
        path: The database file, made if it is not there.
        app_ports: Ports that environments and deployments may be given.
        now: Tells the present moment.
    """
    async with open_database(path) as database:
        yield Store(database, app_ports=app_ports, now=now)


class Store:
    """Reads and durable writes; whatever a write returned for outlives a kill."""

    def __init__(
        self, database: Database, *, app_ports: range, now: Callable[[], datetime]
    ) -> None:
        self.accounts = Accounts(database, now=now)
        self.groups = Groups(database, now=now)
        self.transfers = Transfers(database, now=now)
        self.ports = Ports(database, app_ports)
        self.environments = Environments(database, ports=self.ports, now=now)
        self.replica_sets = ReplicaSets(database)
        self.domains = Domains(database, now=now)
        self.cronjobs = Cronjobs(database, now=now)
        self._database = database
        self._now = now

    async def add_project(
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

        def work(transaction: Transaction) -> tuple[Project, Environment]:
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
            environment = self.environments.insert(
                transaction,
                project_id=project_id,
                unique_name=DEFAULT_NAME,
                display_name=DEFAULT_NAME.capitalize(),
                is_auto_promote_enabled=True,
                settings={"runEnvs": {}},
            )
            project = project_of(transaction.run("project", id=project_id)[0])
            return project, environment

        return await self._database.write(work)

    async def project(self, user_id: str, project_id: str) -> Project | None:
        """A project of that user."""
        project = await self.project_by_id(project_id)
        return project if project is not None and project.user_id == user_id else None

    async def project_by_id(self, project_id: str) -> Project | None:
        """A project, whoever owns it."""
        rows = await self._database.read("project", id=project_id)
        return project_of(rows[0]) if rows else None

    async def project_named(self, user_id: str, unique_name: str) -> Project | None:
        """A user's project of that name, upper and lower case alike."""
        rows = await self._database.read("project_named", user_id=user_id, unique_name=unique_name)
        return project_of(rows[0]) if rows else None

    async def projects(
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
            _, total = await self.projects(
                user_id, limit=1, offset=0, name=name, type=type, status=status, app=app
            )
            return [], total
        return [project_of(row) for row in rows], _total_of_rows(rows)

    async def projects_in(self, status: ProjectStatus) -> list[Project]:
        """Every user's projects in one state."""
        return [project_of(row) for row in await self._database.read("projects_in", status=status)]

    async def update_project(
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

    async def set_project_settings(self, project_id: str, settings: Mapping[str, Json]) -> None:
        """Replace the settings that the next deployment is built with."""
        await self._database.run(
            "set_project_settings",
            id=project_id,
            settings=json.dumps(settings),
            now=format_time(self._now()),
        )

    async def set_project_status(self, project_id: str, status: ProjectStatus) -> None:
        """Move a project to another state."""
        await self._database.run(
            "set_project_status", id=project_id, status=status, now=format_time(self._now())
        )

    async def remove_project(self, project_id: str) -> None:
        """Forget a project and everything that belongs to it."""
        await self._database.run("remove_project", id=project_id)

    async def add_deployment(
        self,
        *,
        deployment_id: str,
        project_id: str,
        source: str,
        settings: Mapping[str, Json],
        max_pending: int,
    ) -> Deployment:
        """Store a deployment in `queue`, as the project's next version.

        Raises:
            LimitReachedError: `max_pending` deployments of the project wait or build.
        """
        now = format_time(self._now())

        def work(transaction: Transaction) -> Deployment:
            pending = transaction.run("count_pending", project_id=project_id)[0]["total"]
            if pending >= max_pending:
                raise LimitReachedError("deployments that wait or build", max_pending)
            transaction.run(
                "add_deployment",
                id=deployment_id,
                project_id=project_id,
                status=DeploymentStatus.QUEUE,
                source=source,
                settings=json.dumps(settings),
                created_at=now,
            )
            return deployment_of(transaction.run("deployment", id=deployment_id)[0])

        return await self._database.write(work)

    async def deployment(self, deployment_id: str) -> Deployment | None:
        """A deployment, whoever owns it."""
        rows = await self._database.read("deployment", id=deployment_id)
        return deployment_of(rows[0]) if rows else None

    async def deployments(
        self, project_id: str, *, limit: int, offset: int
    ) -> tuple[list[Deployment], int]:
        """A page of a project's deployments, newest first, and how many there are."""
        rows = await self._database.read(
            "deployments", project_id=project_id, limit=limit, offset=offset
        )
        if not rows and offset:
            _, total = await self.deployments(project_id, limit=1, offset=0)
            return [], total
        return [deployment_of(row) for row in rows], _total_of_rows(rows)

    async def deployments_of(self, project_id: str) -> list[Deployment]:
        """All deployments of a project."""
        found, _ = await self.deployments(project_id, limit=-1, offset=0)
        return found

    async def deployments_in(self, statuses: Collection[DeploymentStatus]) -> list[Deployment]:
        """Every user's deployments in any of these states, oldest first."""
        rows = await self._database.read("deployments_in", statuses=json.dumps([*statuses]))
        return [deployment_of(row) for row in rows]

    async def transition(
        self, deployment_id: str, to: DeploymentStatus, *, reason: str | None = None
    ) -> Deployment:
        """Change a deployment's state, when the table of transitions allows it.

        Raises:
            IllegalTransitionError: It does not, or the deployment is gone.
        """
        now = format_time(self._now())

        def work(transaction: Transaction) -> Deployment:
            rows = transaction.run("deployment", id=deployment_id)
            present = DeploymentStatus(rows[0]["status"]) if rows else None
            if present is None or to not in TRANSITIONS[present]:
                raise IllegalTransitionError(deployment_id, present or "gone", to)
            transaction.run("move_deployment", id=deployment_id, status=to, reason=reason, now=now)
            return deployment_of(transaction.run("deployment", id=deployment_id)[0])

        return await self._database.write(work)

    async def record_status(
        self, deployment_id: str, status: DeploymentStatus, reason: str | None
    ) -> bool:
        """Let a deployment's state say how its replicas are, where the table allows it.

        Returns:
            Whether it is in that state now.
        """
        now = format_time(self._now())

        def work(transaction: Transaction) -> bool:
            rows = transaction.run("deployment", id=deployment_id)
            present = deployment_of(rows[0]) if rows else None
            if present is None:
                return False
            if (present.status, present.reason) == (status, reason):
                return True
            if present.status != status and status not in TRANSITIONS[present.status]:
                return False
            transaction.run(
                "move_deployment", id=deployment_id, status=status, reason=reason, now=now
            )
            return True

        return await self._database.write(work)

    async def set_release(self, deployment_id: str, release: Mapping[str, Json]) -> None:
        """Record what was built."""
        await self._database.run("set_release", id=deployment_id, release=json.dumps(release))

    async def releases_in_use(self, newest: int) -> set[str]:
        """Deployments whose release must stay: those in use, and the newest of each project."""
        return {row["id"] for row in await self._database.read("releases_in_use", newest=newest)}

    async def all_deployment_ids(self) -> set[str]:
        """Every user's deployments."""
        return {row["id"] for row in await self._database.read("all_deployment_ids")}

    async def owners_of_deployments(self, ids: Collection[str]) -> Mapping[str, str]:
        """Deployment to the user whose project it belongs to."""
        rows = await self._database.read("owners_of_deployments", ids=json.dumps([*ids]))
        return {row["id"]: row["user_id"] for row in rows}

    async def remove_deployment(self, deployment_id: str) -> None:
        """Forget a deployment and its build log."""
        await self._database.run("remove_deployment", id=deployment_id)

    async def append_build_log(self, deployment_id: str, stage: str, lines: Sequence[str]) -> None:
        """Add lines to a build log; they are readable when this returns."""
        now = format_time(self._now())

        def work(transaction: Transaction) -> None:
            if not transaction.run("deployment", id=deployment_id):
                return
            for line in lines:
                transaction.run(
                    "append_build_log", deployment_id=deployment_id, stage=stage, log=line, ts=now
                )

        await self._database.write(work)

    async def build_log(self, deployment_id: str, *, skip: int = 0) -> list[LogLine]:
        """The lines of a build log, without the first `skip`."""
        rows = await self._database.read("build_log", deployment_id=deployment_id, skip=skip)
        return [log_line_of(row) for row in rows]


def _total_of_rows(rows: Sequence[sqlite3.Row]) -> int:
    return rows[0]["total"] if rows else 0
