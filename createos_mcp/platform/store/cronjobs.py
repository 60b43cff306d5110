"""Cron jobs: rows of what is to be called when, and of how each run went."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import NotFoundError, ProjectFullError, WrongStateError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Activity, Cronjob
from createos_mcp.platform.states import CronjobStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import activity_of, cronjob_of
from createos_mcp.platform.timestamps import format_time

# The limit of the cloud.
MAX_PER_PROJECT = 4

KEPT_ACTIVITIES = 100
SHOWN_ACTIVITIES = 10

INTERRUPTED = "The platform stopped during the run; it is not retried."


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A moment of a job that has come."""

    job: Cronjob
    moment: datetime
    skipped: str | None = None
    """Why it is not run, if it is not."""
    is_asked: bool = False
    """Whether someone asked for this run, which is then done at any moment."""


class Cronjobs:
    """Reads and durable writes of cron jobs and their activities."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(
        self,
        *,
        project_id: str,
        environment_id: str,
        name: str,
        schedule: str,
        settings: Mapping[str, Json],
    ) -> str:
        """Store an active job, due from now on, and return its id.

        Raises:
            ProjectFullError: The project has as many jobs as it may have.
        """
        job_id, now = new_id(), format_time(self._now())

        def insert(transaction: Transaction) -> str:
            if len(transaction.run("cronjobs", project_id=project_id)) >= MAX_PER_PROJECT:
                raise ProjectFullError("cron jobs", MAX_PER_PROJECT)
            transaction.run(
                "add_cronjob",
                id=job_id,
                project_id=project_id,
                environment_id=environment_id,
                name=name,
                schedule=schedule,
                status=CronjobStatus.ACTIVE,
                settings=json.dumps(settings),
                created_at=now,
            )
            return job_id

        return await self._database.write(insert)

    async def of(self, project_id: str) -> list[Cronjob]:
        """A project's jobs, oldest first."""
        rows = await self._database.read("cronjobs", project_id=project_id)
        return [cronjob_of(row) for row in rows]

    async def get(self, project_id: str, job_id: str) -> Cronjob:
        """One job of a project.

        Raises:
            NotFoundError: The project has no such job.
        """
        rows = await self._database.read("cronjob", project_id=project_id, id=job_id)
        if not rows:
            raise NotFoundError("cron job", job_id)
        return cronjob_of(rows[0])

    async def scheduled(self) -> list[Cronjob]:
        """Every job that runs at its moments, whoever owns it."""
        return [cronjob_of(row) for row in await self._database.read("scheduled_cronjobs")]

    async def update(
        self, job_id: str, *, name: str, schedule: str, settings: Mapping[str, Json]
    ) -> None:
        """Change a job; its new schedule counts from now on."""
        await self._change(
            "update_cronjob",
            id=job_id,
            name=name,
            schedule=schedule,
            settings=json.dumps(settings),
        )

    async def suspend(self, job_id: str) -> None:
        """Let no moment of a job come due until `unsuspend`.

        Raises:
            WrongStateError: It is suspended.
        """
        if not await self._change("suspend_cronjob", id=job_id):
            raise WrongStateError("The cron job is already suspended.")

    async def unsuspend(self, job_id: str) -> None:
        """Let a job run again from its next moment on.

        Raises:
            WrongStateError: It is not suspended.
        """
        if not await self._change("unsuspend_cronjob", id=job_id):
            raise WrongStateError("The cron job is not suspended.")

    async def remove(self, job_id: str) -> None:
        """Forget a job and its activities."""
        await self._database.run("remove_cronjob", id=job_id)

    async def claim(self, due: Sequence[Due]) -> list[tuple[Due, Activity]]:
        """Write down that moments have come, before anything is done about them.

        Returns:
            What is to be run, with its activity: not what is skipped, was run before, or belongs
            to a job that was changed since it was read.
        """
        if not due:
            return []
        now = format_time(self._now())

        def claim_due(transaction: Transaction) -> list[tuple[Due, Activity]]:
            added = [(one, _add_activity(transaction, one, now)) for one in due]
            return [(one, new) for one, new in added if new is not None and new.success is None]

        return await self._database.write(claim_due)

    async def finish(
        self, activity_id: str, *, success: bool, status_code: int | None, log: str
    ) -> None:
        """Write down how a run went."""
        await self._database.run(
            "finish_activity",
            id=activity_id,
            success=success,
            status_code=status_code,
            log=log,
        )

    async def close_interrupted(self) -> None:
        """Write down that the runs of the platform's last life came to no end."""
        await self._database.run("close_activities", log=INTERRUPTED)

    async def activities(self, job_id: str) -> list[Activity]:
        """A job's last ten activities, newest first."""
        rows = await self._database.read("activities", cronjob_id=job_id, limit=SHOWN_ACTIVITIES)
        return [activity_of(row) for row in rows]

    async def _change(self, query: str, **values: str) -> bool:
        """Run one statement as of now, and say whether it returned a row."""
        now = format_time(self._now())
        rows = await self._database.run(query, now=now, **values)
        return bool(rows)


def _add_activity(transaction: Transaction, due: Due, now: str) -> Activity | None:
    """Pass a moment and note it, unless it was noted before or the job is another by now."""
    job, scheduled_at = due.job, format_time(due.moment)
    passed = (
        transaction.run("pass_present_moment", id=job.id, moment=scheduled_at)
        if due.is_asked
        else transaction.run(
            "pass_moment", id=job.id, updated_at=job.updated_at, moment=scheduled_at
        )
    )
    if not passed:
        return None
    added = transaction.run(
        "add_activity",
        id=new_id(),
        cronjob_id=job.id,
        scheduled_at=scheduled_at,
        success=None if due.skipped is None else False,
        log=due.skipped,
        created_at=now,
    )
    transaction.run("forget_activities", cronjob_id=job.id, keep=KEPT_ACTIVITIES)
    return activity_of(added[0]) if added else None
