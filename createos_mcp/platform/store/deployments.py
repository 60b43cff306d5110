"""Deployments and their build logs: what is stored of them."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import IllegalTransitionError, LimitReachedError
from createos_mcp.platform.models import Deployment, LogLine, Reason
from createos_mcp.platform.states import TRANSITIONS, DeploymentStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import deployment_of, log_line_of, total_of
from createos_mcp.platform.timestamps import format_time


class Deployments:
    """Reads and durable writes of deployments; a state changes only along the transitions."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(
        self,
        *,
        deployment_id: str,
        project_id: str,
        source: str,
        settings: Mapping[str, Json],
        promote: str | None,
        max_pending: int,
        revision: Mapping[str, str] | None = None,
    ) -> Deployment:
        """Store a deployment in `queue`, as the project's next version.

        Raises:
            LimitReachedError: `max_pending` deployments of the project wait or build.
        """

        def insert(transaction: Transaction) -> Deployment:
            pending = transaction.run("count_pending", project_id=project_id)[0]["total"]
            if pending >= max_pending:
                raise LimitReachedError("deployments that wait or build", max_pending)
            return self.insert(
                transaction,
                deployment_id=deployment_id,
                project_id=project_id,
                source=source,
                settings=settings,
                promote=promote,
                revision=revision,
            )

        return await self._database.write(insert)

    def insert(
        self,
        transaction: Transaction,
        *,
        deployment_id: str,
        project_id: str,
        source: str,
        settings: Mapping[str, Json],
        promote: str | None = None,
        revision: Mapping[str, str] | None,
    ) -> Deployment:
        """Store a deployment as part of a transaction."""
        transaction.run(
            "add_deployment",
            id=deployment_id,
            project_id=project_id,
            status=DeploymentStatus.QUEUE,
            source=source,
            settings=json.dumps(settings),
            promote=promote,
            revision=None if revision is None else json.dumps(revision),
            created_at=format_time(self._now()),
        )
        return deployment_of(transaction.run("deployment", id=deployment_id)[0])

    async def get(self, deployment_id: str) -> Deployment | None:
        """A deployment, whoever owns it."""
        rows = await self._database.read("deployment", id=deployment_id)
        return deployment_of(rows[0]) if rows else None

    async def page(
        self, project_id: str, *, limit: int, offset: int
    ) -> tuple[list[Deployment], int]:
        """A page of a project's deployments, newest first, and how many there are."""
        rows = await self._database.read(
            "deployments", project_id=project_id, limit=limit, offset=offset
        )
        if not rows and offset:
            _, total = await self.page(project_id, limit=1, offset=0)
            return [], total
        return [deployment_of(row) for row in rows], total_of(rows)

    async def of(self, project_id: str) -> list[Deployment]:
        """All deployments of a project."""
        found, _ = await self.page(project_id, limit=-1, offset=0)
        return found

    async def in_status(self, statuses: Collection[DeploymentStatus]) -> list[Deployment]:
        """Every user's deployments in any of these states, oldest first."""
        rows = await self._database.read("deployments_in", statuses=json.dumps([*statuses]))
        return [deployment_of(row) for row in rows]

    async def transition(
        self, deployment_id: str, to: DeploymentStatus, *, reason: Reason | None = None
    ) -> Deployment:
        """Change a deployment's state, when the table of transitions allows it.

        Raises:
            IllegalTransitionError: It does not, or the deployment is gone.
        """
        now = format_time(self._now())

        def change(transaction: Transaction) -> Deployment:
            rows = transaction.run("deployment", id=deployment_id)
            present = DeploymentStatus(rows[0]["status"]) if rows else None
            if present is None or to not in TRANSITIONS[present]:
                raise IllegalTransitionError(deployment_id, present or "gone", to)
            transaction.run(
                "transition_deployment", id=deployment_id, status=to, now=now, **_values(reason)
            )
            return deployment_of(transaction.run("deployment", id=deployment_id)[0])

        return await self._database.write(change)

    async def record_status(
        self, deployment_id: str, status: DeploymentStatus, reason: Reason | None
    ) -> bool:
        """Let a deployment's state say how its replicas are, where the table allows it.

        Returns:
            Whether it is in that state now.
        """
        now = format_time(self._now())

        def change(transaction: Transaction) -> bool:
            rows = transaction.run("deployment", id=deployment_id)
            present = deployment_of(rows[0]) if rows else None
            if present is None:
                return False
            if (present.status, present.reason) == (status, reason and reason.text):
                return True
            if present.status != status and status not in TRANSITIONS[present.status]:
                return False
            transaction.run(
                "transition_deployment", id=deployment_id, status=status, now=now, **_values(reason)
            )
            return True

        return await self._database.write(change)

    async def set_release(self, deployment_id: str, release: Mapping[str, Json]) -> None:
        """Record what was built."""
        await self._database.run("set_release", id=deployment_id, release=json.dumps(release))

    async def releases_in_use(self, newest: int) -> set[str]:
        """Deployments whose release must stay: those in use, and the newest of each project."""
        return {row["id"] for row in await self._database.read("releases_in_use", newest=newest)}

    async def all_ids(self) -> set[str]:
        """Every user's deployments."""
        return {row["id"] for row in await self._database.read("all_deployment_ids")}

    async def owners(self, ids: Collection[str]) -> Mapping[str, str]:
        """Deployment to the user whose project it belongs to."""
        rows = await self._database.read("owners_of_deployments", ids=json.dumps([*ids]))
        return {row["id"]: row["user_id"] for row in rows}

    async def remove(self, deployment_id: str) -> None:
        """Forget a deployment and its build log."""
        await self._database.run("remove_deployment", id=deployment_id)

    async def append_build_log(self, deployment_id: str, stage: str, lines: Sequence[str]) -> None:
        """Add lines to a build log; they are readable when this returns."""
        now = format_time(self._now())

        def append(transaction: Transaction) -> None:
            if not transaction.run("deployment", id=deployment_id):
                return
            for line in lines:
                transaction.run(
                    "append_build_log", deployment_id=deployment_id, stage=stage, log=line, ts=now
                )

        await self._database.write(append)

    async def build_log(self, deployment_id: str, *, skip: int = 0) -> list[LogLine]:
        """The lines of a build log, without the first `skip`."""
        rows = await self._database.read("build_log", deployment_id=deployment_id, skip=skip)
        return [log_line_of(row) for row in rows]


def _values(reason: Reason | None) -> dict[str, str | None]:
    """A reason as the columns have it."""
    if reason is None:
        return {"reason": None, "reason_code": None}
    return {"reason": reason.text, "reason_code": reason.code}
