"""Summaries: the rows of a list with the members that tell them apart."""

from collections.abc import Mapping, Sequence

from createos_mcp.contract.values import Json


def project_fields(members: Sequence[str], data: Json) -> Json:
    """Keep only some members of each row.

    Args:
        members: Those that are kept, `("id", "extra.endpoint")`; all are kept when it is empty.
        data: A list of rows, or a page: an object that holds one.
    """
    if not members:
        return data
    if isinstance(data, list):
        return [_project_row(members, row) for row in data]
    if isinstance(data, dict):
        return {
            name: project_fields(members, held) if isinstance(held, list) else held
            for name, held in data.items()
        }
    return data


def omit_repeats(members: Sequence[str], data: Json) -> Json:
    """Leave out what a row of a list repeats of the row before, which shows it."""
    if not members or not isinstance(data, list):
        return data
    shown: list[Json] = []
    last: Mapping[str, Json] = {}
    for row in data:
        if not isinstance(row, dict):
            return data
        same = {name for name in members if row.get(name) and row[name] == last.get(name)}
        shown.append({name: value for name, value in row.items() if name not in same})
        last = row
    return shown


def _project_row(members: Sequence[str], row: Json) -> Json:
    """A row of a form that nobody knows stays as it is."""
    if not isinstance(row, dict):
        return row
    short: dict[str, Json] = {}
    for path in members:
        name, _, inner = path.partition(".")
        if name not in row:
            continue
        short[name] = _part(row[name], inner)
    return short or row


def _part(value: Json, inner: str) -> Json:
    if not inner or not isinstance(value, Mapping):
        return value
    return {inner: value[inner]} if inner in value else {}
