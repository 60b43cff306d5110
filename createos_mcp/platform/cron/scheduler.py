"""Runs cron jobs when they are due: each moment once, none made up for."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import anyio
import httpx2

from createos_mcp.platform.background import Background
from createos_mcp.platform.cron import cron_requests
from createos_mcp.platform.cron.schedules import Schedule
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Activity, Cronjob
from createos_mcp.platform.store.cronjobs import Cronjobs, Due
from createos_mcp.platform.timestamps import parse_time

logger = logging.getLogger(__name__)

LATEST = timedelta(seconds=5)
"""A moment that was noticed later than this, after a pause or a jump of the clock, is missed."""

WRONG_CLOCK = timedelta(days=1)
"""A moment that far in the future was written down while the clock was wrong."""


class Scheduler:
    """Looks every second for jobs that are due.

    Args:
        client: Sends the requests.
        background: Where the runs are done.
        now: Tells the present moment; the clock may jump.
    """

    def __init__(
        self,
        *,
        cronjobs: Cronjobs,
        client: httpx2.AsyncClient,
        background: Background,
        now: Callable[[], datetime],
    ) -> None:
        self._cronjobs = cronjobs
        self._client = client
        self._background = background
        self._now = now
        self._started_at = self._seen_at = now()
        self._next: dict[tuple[str, str], datetime] = {}
        self._running: dict[str, Activity] = {}

    async def run(self) -> None:
        """Run what is due for as long as the platform lives."""
        await self._cronjobs.close_interrupted()
        while True:
            moment = self._now()
            try:
                await self.run_due(moment)
            except Exception:
                logger.exception("the cron jobs due at %s could not be run", moment)
            # The clock may jump while this sleeps; it is looked at every second.
            await anyio.sleep(1 - self._now().microsecond / 1_000_000)

    async def run_due(self, moment: datetime) -> None:
        """Begin the runs that are due at a moment, which may be earlier than the last one."""
        if moment < self._seen_at:
            self._next.clear()
        self._seen_at = moment
        self._started_at = min(self._started_at, moment)
        jobs = await self._cronjobs.scheduled()
        # Jobs that were changed or deleted are forgotten, and changed ones planned anew.
        self._next = {key: self._next[key] for key in map(_job_version, jobs) if key in self._next}
        due = [due for job in jobs if (due := self._due_of(job, moment)) is not None]
        await self._begin(due)

    async def run_now(self, job: Cronjob) -> None:
        """Begin a run of a job at once, also of one that is suspended.

        Raises:
            WrongStateError: A run of it is in progress, or began in the same millisecond.
        """
        due = Due(job=job, moment=self._now(), is_asked=True)
        if job.id in self._running or not await self._begin([due]):
            raise WrongStateError("A run of the cron job is in progress; wait until it ends.")

    async def _begin(self, due: Sequence[Due]) -> int:
        """Begin the runs that nobody else has begun; how many."""
        claimed = await self._cronjobs.claim(due)
        for one, activity in claimed:
            self._running[one.job.id] = activity
            self._background.start(self._run_one, one.job, activity)
        return len(claimed)

    def _due_of(self, job: Cronjob, moment: datetime) -> Due | None:
        key = _job_version(job)
        if key not in self._next:
            self._next[key] = Schedule(job.schedule).after(self._over_at(job, moment))
        if self._next[key] > moment:
            return None
        schedule = Schedule(job.schedule)
        latest = schedule.latest(moment)
        self._next[key] = schedule.after(moment)
        if moment - latest > LATEST:
            return None
        running = self._running.get(job.id)
        if running is None:
            return Due(job=job, moment=latest)
        reason = f"Skipped: the run of {running.scheduled_at} was still in progress."
        return Due(job=job, moment=latest, skipped=reason)

    def _over_at(self, job: Cronjob, moment: datetime) -> datetime:
        """Until when moments are over: run or passed while nothing was there to run them."""
        over_at = parse_time(job.over_at)
        if over_at > moment + WRONG_CLOCK:
            return self._started_at
        return max(over_at, self._started_at)

    async def _run_one(self, job: Cronjob, activity: Activity) -> None:
        try:
            outcome = await cron_requests.send_cron_request(self._client, job)
            await self._cronjobs.finish(
                activity.id,
                success=outcome.success,
                status_code=outcome.status_code,
                log=outcome.log,
            )
        finally:
            del self._running[job.id]


def _job_version(job: Cronjob) -> tuple[str, str]:
    """A job as it is now: one that was changed has another key."""
    return job.id, job.updated_at
