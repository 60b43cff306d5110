"""Timestamps: how the API and the database write a moment."""

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """A moment in UTC with milliseconds and `Z`; such texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The moment that `format_time` wrote."""
    return datetime.fromisoformat(text)
