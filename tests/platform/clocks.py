"""A clock that stands still until a test moves it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)
"""Half a minute after noon, on a Monday."""


@dataclass
class Clock:
    """Tells the moment that it was set to."""

    moment: datetime = NOON

    def __call__(self) -> datetime:
        return self.moment

    def set(self, time: str, *, days: int = 0) -> datetime:
        """Go to a time such as `12:01:00` of that Monday, or of another day."""
        time_of_day = datetime.strptime(time, "%H:%M:%S").time()  # noqa: DTZ007 - a time of day
        monday = NOON.replace(second=0, hour=0, minute=0)
        self.moment = datetime.combine(monday, time_of_day, UTC) + timedelta(days=days)
        return self.moment
