"""How ids and moments are written: in rows, in answers and in file names."""

import uuid
from datetime import UTC, datetime


def new_id() -> str:
    """A fresh id."""
    return str(uuid.uuid4())


def text_of(moment: datetime) -> str:
    """A moment in UTC with milliseconds and `Z`; such texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The moment that `text_of` wrote."""
    return datetime.fromisoformat(text)
