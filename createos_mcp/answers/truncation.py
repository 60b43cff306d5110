"""Truncation: a JSON value made to fit a number of bytes, cut inside and still JSON."""

import json

from createos_mcp.contract.values import Json

_BRACKETS = 4
_COMMA = 2
_COLON = 2
_SMALLEST = 12
"""What a member weighs at least, once it is cut to nothing: `null`, `""`, `[]`."""


def compact(value: Json) -> str:
    """JSON without blanks, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encoded_size(text: str) -> int:
    """Bytes that compact JSON takes in a result that carries it twice.

    Once as a value and once inside a JSON string, where quotes and backslashes are escaped. The
    size of a whole is the sum of the sizes of its parts.
    """
    return 2 * len(text.encode()) + text.count('"') + text.count("\\")


def truncate(value: Json, budget: int) -> Json:
    """Make a value weigh at most `budget`.

    Small members stay whole and large ones share what is left: a list loses its trailing items,
    a string its end.

    Args:
        value: Sanitized, so that it is not nested without end.
        budget: As `encoded_size` counts; at least that of an empty value.
    """
    if _weigh(value) <= budget:
        return value
    if isinstance(value, dict):
        return _cut_object(value, budget)
    if isinstance(value, list):
        return _cut_list(value, budget)
    return truncate_text(value, budget) if isinstance(value, str) else None


def truncate_text(text: str, budget: int, *, keep_end: bool = False) -> str:
    """The longest beginning, or end, of a text that weighs at most `budget` as a JSON string."""

    def part(length: int) -> str:
        return text[len(text) - length :] if keep_end else text[:length] + "…"

    low, high = 0, min(len(text), max(budget, 0))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _weigh(part(middle)) <= budget else (low, middle - 1)
    return part(low) if low else ""


def _weigh(value: Json) -> int:
    return encoded_size(compact(value))


def _cut_list(items: list[Json], budget: int) -> list[Json]:
    kept: list[Json] = []
    left = budget - _BRACKETS
    for item in items:
        # An item larger than the whole list must not hide the others.
        shown = item if _weigh(item) <= budget else truncate(item, left // 2)
        left -= _weigh(shown) + _COMMA
        if left < 0:
            break
        kept.append(shown)
    return kept


def _cut_object(members: dict[str, Json], budget: int) -> dict[str, Json]:
    names, left = _names_that_fit(members, budget - _BRACKETS)
    weights = {name: _weigh(members[name]) for name in names}
    kept: dict[str, Json] = {}
    for taken, name in enumerate(sorted(names, key=weights.__getitem__)):
        share = left // (len(names) - taken)
        kept[name] = members[name] if weights[name] <= share else truncate(members[name], share)
        left -= _weigh(kept[name])
    return {name: kept[name] for name in names}


def _names_that_fit(members: dict[str, Json], budget: int) -> tuple[list[str], int]:
    """The names for which there is room beside a cut value, and what is left for the values."""
    names: list[str] = []
    left = budget
    for name in members:
        cost = _weigh(name) + _COLON + _COMMA
        if left - cost >= _SMALLEST * (len(names) + 1):
            names.append(name)
            left -= cost
    return names, left
