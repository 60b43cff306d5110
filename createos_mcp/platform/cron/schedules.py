"""A cron expression, and the moments in UTC that it stands for."""

from datetime import UTC, datetime, timedelta

from croniter import CroniterBadDateError, CroniterError, croniter

from createos_mcp.platform.errors import InvalidRequestError

FIELDS = (5, 6)
A_SECOND = timedelta(seconds=1)

ANY = datetime(2000, 1, 1, tzinfo=UTC)
"""Without a year in it, an expression that comes due at all does so after any moment."""


class Schedule:
    """When something is due.

    Args:
        expression: Five fields, `minute hour day month weekday`; six with the second before them;
            or a name such as `@hourly`.

    Raises:
        InvalidRequestError: It is no such expression, or it stands for no moment at all.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._check_fields()
        try:
            self.after(ANY)
        except CroniterBadDateError as error:
            raise self._invalid_schedule("it never matches a date") from error
        except CroniterError as error:
            raise self._invalid_schedule(str(error)) from error

    def after(self, moment: datetime) -> datetime:
        """The first moment later than this one."""
        return self._around(moment).get_next()

    def latest(self, moment: datetime) -> datetime:
        """The last moment that is not later than this one."""
        return self._around(moment.replace(microsecond=0) + A_SECOND).get_prev()

    def _around(self, moment: datetime) -> "croniter[datetime]":
        start = moment.astimezone(UTC)
        return croniter(self._expression, start, datetime, second_at_beginning=True)

    def _check_fields(self) -> None:
        fields = self._expression.split()
        named = self._expression.startswith("@")
        if not named and len(fields) not in FIELDS:
            raise self._invalid_schedule(f"it has {len(fields)} fields")
        # croniter takes H and R for a hash and for chance: other moments at each reading.
        if any(field[0] in "HhRr" for field in fields):
            raise self._invalid_schedule("H and R are not supported")

    def _invalid_schedule(self, reason: str) -> InvalidRequestError:
        return InvalidRequestError(
            f"schedule: {self._expression!r} is not a cron expression: {reason}. Give five fields "
            "(minute hour day month weekday) in UTC, such as '*/5 * * * *', six with the second "
            "before them, or a name such as '@hourly'."
        )
