"""Absences: requests for what no tool does, known by their words."""

import re
from collections.abc import Sequence
from functools import cache

from createos_mcp.contract.operations import Absence

_MAX_CHARACTERS = 1000

_NAME = re.compile(
    r"\b[A-Z0-9]+_[A-Z0-9_]+\b|(?<!\w)(['\"`])[^'\"`]{1,60}\1"
    r"|\b\w+(?:-\w+)+(?= (?:project|app|service|environment|deployment)\b)"
    r"|\b\w+(?:-\w+)*-(?:svc|service|api|app|web|www|site|bot|worker|db|pg|prod|server|frontend|backend)\b"
)
"""`REDIS_URL` asks for no Redis, nor does a key that is called 'redis', nor redis-proxy's app."""


def find_absence(request: str, absences: Sequence[Absence]) -> Absence | None:
    """What a request asks for in vain; None where it may mean a tool."""
    text = _NAME.sub(" ", request[:_MAX_CHARACTERS]).lower()
    return next((absence for absence in absences if _pattern(absence.words).search(text)), None)


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})")
