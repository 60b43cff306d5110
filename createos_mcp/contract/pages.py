"""Pages: the rows in a response, whichever form of a list it has."""

from collections.abc import Mapping
from typing import TypeAlias

from createos_mcp.contract.values import Json

Row: TypeAlias = Mapping[str, Json]


def rows_of(data: Json) -> list[Row]:
    """The rows of `[...]` or of `{"data": [...], "pagination": {...}}`, whatever the member."""
    if isinstance(data, dict):
        lists = [member for member in data.values() if isinstance(member, list)]
        data = lists[0] if lists else []
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def total_of_page(data: Json) -> int | None:
    """How many rows a page says there are."""
    pagination = data.get("pagination") if isinstance(data, dict) else None
    total = pagination.get("total") if isinstance(pagination, dict) else None
    return total if isinstance(total, int) else None
