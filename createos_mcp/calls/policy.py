"""Policy: which calls only a person may allow, and what that person is asked."""

import re
from collections.abc import Mapping, Sequence

from createos_mcp.answers.sanitizing import clean_text
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import ApiError, CallError
from createos_mcp.contract.operations import (
    Confirmation,
    FetchOperation,
    Lookup,
    Operation,
    Question,
    Removal,
    SideEffect,
)
from createos_mcp.contract.pages import rows_of, total_of_page
from createos_mcp.contract.quotation import quote
from createos_mcp.contract.values import Arguments, Json

_NOT_FOUND = 404
_SHOWN_BYTES = 100
_SHOWN_ARGUMENT_BYTES = 2000
"""Of what the call itself says: the user has to see all that is allowed by a yes."""

_MOST_NAMES = 20
_PLACE = re.compile(r"\{([^{}]+)\}")

_UNREAD = " What would be deleted with it could not be read."


class Policy:
    """Knows from the catalog what each operation costs the one who calls it by mistake."""

    def __init__(self, catalog: Catalog) -> None:
        self._operations = catalog.operations

    async def question(
        self, operation: Operation, arguments: Arguments, fetch: FetchOperation
    ) -> Question | None:
        """What a person is asked before a call that needs it; None if this one needs nothing.

        Args:
            operation: What is called.
            arguments: With ids in place of names.
            fetch: Reads what goes with the thing that the call ends.

        Raises:
            ApiError: There is no such thing.
        """
        asked = operation.confirmation
        if asked is None:
            raise ValueError(f"{operation.name} needs no confirmation")
        fetch = _once(fetch)
        own_id = str(arguments.get(_PLACE.findall(operation.http.path)[-1], ""))
        try:
            subject = await self._subject(asked, arguments, fetch)
            losses = [await self._loss(loss, arguments, fetch) for loss in asked.losses]
            gone = ", ".join(loss for loss in losses if loss)
            ending = f" Affected: {gone}." if gone else ""
        except CallError as error:
            if isinstance(error, ApiError) and error.status == _NOT_FOUND:
                raise
            subject, ending = {}, _UNREAD
        if asked.removed and ending != _UNREAD:
            lost = [_lost(removal, subject, arguments) for removal in asked.removed]
            if not any(lost):
                return None
            ending = "".join(lost)
        typed = str(subject.get(asked.typed) or own_id) if asked.typed else ""
        text = _fill_question(asked.question, subject, arguments, own_id)
        return Question(text=text + ending, typed=typed)

    async def _subject(
        self, asked: Confirmation, arguments: Arguments, fetch: FetchOperation
    ) -> Mapping[str, Json]:
        if asked.subject is None:
            return {}
        data = await self._read(asked.subject, arguments, fetch)
        if asked.subject.where or isinstance(data, list):
            rows = _matching(asked.subject, data, arguments)
            return rows[0] if rows else {}
        return data if isinstance(data, dict) else {}

    async def _loss(self, loss: SideEffect, arguments: Arguments, fetch: FetchOperation) -> str:
        data = await self._read(loss.lookup, arguments, fetch)
        rows = _matching(loss.lookup, data, arguments)
        counted = [row for row in rows if not loss.present or row.get(loss.present)]
        number = sum(_number(row, loss.count) for row in counted) if loss.count else len(counted)
        if not loss.lookup.where and not loss.count:
            number = max(number, total_of_page(data) or 0)
        return _count(number, loss.noun)

    async def _read(self, lookup: Lookup, arguments: Arguments, fetch: FetchOperation) -> Json:
        operation = self._operations[lookup.operation]
        taken = operation.input_schema["properties"].keys()
        return await fetch(operation, {n: v for n, v in arguments.items() if n in taken})


def _lost(removal: Removal, subject: Mapping[str, Json], arguments: Arguments) -> str:
    """A sentence with the names that the call does not keep; empty where it keeps all."""
    names = _removed(removal, subject, arguments) if removal.argument in arguments else ()
    return f" The {removal.noun} {', '.join(names)} would be lost." if names else ""


def _removed(removal: Removal, subject: Mapping[str, Json], arguments: Arguments) -> Sequence[str]:
    """Names that the call does not keep, a few of many."""
    held: Json = subject
    for name in removal.member.split("."):
        held = held.get(name) if isinstance(held, dict) else None
    given = arguments.get(removal.argument)
    names = sorted(held.keys() - (given or {}).keys()) if isinstance(held, dict) else []
    shown = [quote(clean_text(name), limit_bytes=_SHOWN_BYTES) for name in names[:_MOST_NAMES]]
    return [*shown, *([f"and {len(names) - _MOST_NAMES} more"] if names[_MOST_NAMES:] else [])]


def _count(number: int, plural: str) -> str:
    """`3 domains`, `1 domain`; empty for none."""
    noun = plural.removesuffix("s") if number == 1 else plural
    return f"{number} {noun}" if number else ""


def _once(fetch: FetchOperation) -> FetchOperation:
    """The same, asking for each list once."""
    known: dict[str, Json] = {}

    async def fetch_once(operation: Operation, arguments: Arguments) -> Json:
        if operation.name not in known:
            known[operation.name] = await fetch(operation, arguments)
        return known[operation.name]

    return fetch_once


def _fill_question(
    question: str, subject: Mapping[str, Json], arguments: Arguments, unknown: str
) -> str:
    """Put facts into a question; they are texts of other people and stay on one line."""

    def show(place: re.Match[str]) -> str:
        name = place[1]
        fact = subject.get(name, arguments.get(name, unknown))
        limit = _SHOWN_BYTES if name in subject else _SHOWN_ARGUMENT_BYTES
        return quote(clean_text(" ".join(str(fact).split())), limit_bytes=limit)

    return _PLACE.sub(show, question)


def _matching(lookup: Lookup, data: Json, arguments: Arguments) -> list[Mapping[str, Json]]:
    return [
        row
        for row in rows_of(data)
        if all(row.get(member) == arguments.get(name) for member, name in lookup.where.items())
    ]


def _number(row: Mapping[str, Json], path: str) -> int:
    value: Json = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0
