"""Messages: JSON-RPC as clients send it, read so that whoever awaits an answer gets one.

The SDK drops what it cannot read, and a client then waits for an answer that never comes. Here a
message is mended where its meaning is plain, and otherwise answered with an error that carries
its id. https://www.jsonrpc.org/specification#error_object
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCMessage,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from createos_mcp.contract.values import Json

MAX_DEPTH = 200
"""Nesting that is taken; no tool has arguments that are nested a tenth as deep."""

# What reads as text and is not JSON: NaN, Infinity, half of a character.
_SUSPECT = re.compile(rb"NaN|Infinity|\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_ID_AT_THE_END = re.compile(r',\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*\}\s*$')


@dataclass(frozen=True, kw_only=True, slots=True)
class MalformedMessage:
    """What is no message, and who awaits an answer to it.

    Args:
        code: Of JSON-RPC.
        reason: What is wrong with it, as a sentence.
        ids: One for each answer that is due; None where an id is due and not known.
    """

    code: int
    reason: str
    ids: Sequence[Json]

    @property
    def replies(self) -> list[dict[str, Json]]:
        """The answers, one for each id."""
        error = {"code": self.code, "message": self.reason}
        return [{"jsonrpc": "2.0", "id": given, "error": error} for given in self.ids]


def read_message(raw: bytes) -> JSONRPCMessage | MalformedMessage:
    """One message; halves of characters in it are read as U+FFFD."""
    try:
        message = jsonrpc_message_adapter.validate_json(raw, by_name=False)
    except ValidationError:
        return _read_leniently(raw)
    # A notification that has an id is a request whose id is malformed.
    if isinstance(message, JSONRPCNotification) or _SUSPECT.search(raw):
        return _read_leniently(raw)
    return message


def refuse_overlong(head: bytes, tail: bytes, limit_bytes: int) -> MalformedMessage:
    """Refuse a message of which only the beginning and the end were kept."""
    found = find_id(head.decode(errors="replace"))
    if found is None:
        ending = _ID_AT_THE_END.search(tail.decode(errors="replace"))
        found = json.loads(ending[1]) if ending else None
    return MalformedMessage(
        code=INVALID_REQUEST,
        reason=f"The message is longer than {limit_bytes} bytes. Send less at once.",
        ids=(found,),
    )


def find_id(text: str) -> str | int | None:
    """The id at the top of a message that may be cut, nested too deep or otherwise broken."""
    depth = 0
    before, name = "", ""
    for word in _WORD.findall(text):
        if word in _OPENING:
            depth += 1
        elif word in _CLOSING:
            depth -= 1
        elif depth == 1 and before == ":" and name == '"id"':
            return _as_id(word)
        if word == ":":
            name = before
        before = word
    return None


def _as_id(word: str) -> str | int | None:
    try:
        value: Json = json.loads(word)
    except ValueError:
        return None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _read_leniently(raw: bytes) -> JSONRPCMessage | MalformedMessage:
    text = raw.decode(errors="replace")
    try:
        value = _mend(json.loads(text, parse_constant=_refuse_constant), MAX_DEPTH)
    except RecursionError:
        reason = f"The message is nested more than {MAX_DEPTH} levels deep."
        return MalformedMessage(code=INVALID_REQUEST, reason=reason, ids=(find_id(text),))
    except ValueError as error:
        reason = f"The message is not JSON: {error}."
        return MalformedMessage(code=PARSE_ERROR, reason=reason, ids=(find_id(text),))
    if isinstance(value, list):
        reason = "Batches are not supported. Send one message at a time."
        ids = tuple(_ids(value)) or (None,)
        return MalformedMessage(code=INVALID_REQUEST, reason=reason, ids=ids)
    objection = _objection(value)
    if objection is None:
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    return MalformedMessage(code=INVALID_REQUEST, reason=objection, ids=tuple(_ids([value])))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _mend(value: Json, depth: int) -> Json:
    """The value without halves of characters.

    Raises:
        RecursionError: It is nested deeper than `depth`.
    """
    if isinstance(value, str):
        return _mend_text(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise RecursionError
    if isinstance(value, list):
        return [_mend(item, depth - 1) for item in value]
    return {_mend_text(name): _mend(held, depth - 1) for name, held in value.items()}


def _mend_text(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _ids(values: Sequence[Json]) -> Iterator[Json]:
    """The ids to answer: none to a notification or to an answer of the client's."""
    for value in values:
        if not isinstance(value, dict):
            yield None
        elif "id" in value and (_is_request(value) or not _is_answer(value)):
            given = value["id"]
            yield given if isinstance(given, str | int | float) else None
        elif not _is_request(value) and not _is_answer(value):
            yield None


def _is_request(value: dict[str, Json]) -> bool:
    return "method" in value


def _is_answer(value: dict[str, Json]) -> bool:
    return "result" in value or "error" in value


def _objection(value: Json) -> str | None:
    """What is wrong with a single message; None if nothing is."""
    if not isinstance(value, dict):
        return "A message is a JSON object."
    if not _is_request(value) and _is_answer(value):
        return _objection_to_answer(value)
    wrong = (
        (value.get("jsonrpc") != "2.0", 'jsonrpc is not "2.0".'),
        ("id" in value and not _is_id(value["id"]), "id is neither a string nor an integer."),
        (not isinstance(value.get("method"), str), "method is not a string."),
        (not isinstance(value.get("params"), dict | None), "params is not an object."),
    )
    return next((reason for is_wrong, reason in wrong if is_wrong), None)


def _objection_to_answer(value: dict[str, Json]) -> str | None:
    try:
        jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValidationError:
        return "This answer has neither a result that is an object nor an error with its code."
    return None


def _is_id(value: Json) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
