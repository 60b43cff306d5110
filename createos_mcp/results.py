"""Results: data or an error as the tool result that the model reads."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import mcp_types

from createos_mcp.advice import narrowing, next_step
from createos_mcp.errors import ApiError, CallError, quote
from createos_mcp.operations import Json, Operation, Reference
from createos_mcp.truncation import compact, cut, cut_text, flatten, weigh

_FRAME_BYTES = 250
"""What a result takes beside its data."""

_HINT_BYTES = 700
"""What `truncated` and `hint` weigh at most."""

_FAILURE_BYTES = 8_000
"""How much of an error's own text is shown."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Colours of a terminal and other characters that are not for reading."""


def success(
    operation: Operation, data: Json, *, budget_bytes: int = 60_000
) -> mcp_types.CallToolResult:
    """Show an answer, as text and as structured content that hold the same.

    An object stays as it is, a list becomes `{"items": [...]}`, a page
    `{"items": [...], "pagination": {...}}`, a sentence `{"message": "..."}` and a log
    `{"log": "..."}`. What does not fit is cut inside; then `truncated` and `hint` are added.

    Args:
        operation: The operation that answered.
        data: What its envelope held.
        budget_bytes: Limit for the whole result as it is sent, from 2,000 up.
    """
    budget = budget_bytes - _FRAME_BYTES
    log = _log_text(data) if operation.answer == "log" else None
    if log is not None:
        return _log_result(operation, log, data, budget)
    whole = _structured(operation, data)
    structured = flatten(whole)
    is_cut = structured is not whole
    text = compact(structured)
    if _SURROGATE.search(text):
        text = _SURROGATE.sub("\ufffd", text)
        structured = json.loads(text)
    if is_cut or weigh(text) > budget:
        structured = _cut_data(operation, structured, budget - _HINT_BYTES)
        text = compact(structured)
    return _result(text, structured)


def failure(
    operation: Operation, error: CallError, references: Sequence[Reference]
) -> mcp_types.CallToolResult:
    """Show what failed, what the platform says and means by it, and the one next step.

    Args:
        operation: The operation that was called.
        error: Why it failed.
        references: Tell which operation lists the ids of an argument.
    """
    said = _api_lines(operation, error) if isinstance(error, ApiError) else [str(error)]
    shown = quote("\n".join(said), limit_bytes=_FAILURE_BYTES)
    text = f"{operation.name} failed: {shown}\nNext: {next_step(operation, error, references)}"
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=text)], is_error=True
    )


def _api_lines(operation: Operation, error: ApiError) -> Iterator[str]:
    meaning = operation.http.errors.get(error.status)
    yield f"HTTP {error.status}" + (f", {meaning}." if meaning else ".")
    if error.message:
        # On one line, so that nothing in it reads like a line of ours.
        yield f'The platform says: "{" ".join(error.message.split())}"'
    for name, text in error.fields.items():
        if text not in error.message:
            yield f"- {name}: {' '.join(text.split())}"


def _structured(operation: Operation, data: Json) -> dict[str, Json]:
    """The data as an object, in the form that the output schema promises."""
    listed = "items" in operation.output_schema.get("properties", {})
    if isinstance(data, dict):
        return _with_items(data) if listed else data
    if isinstance(data, list) or (data is None and listed):
        return {"items": data or []}
    if data is None:
        return {"message": "Done."}
    return {"message": data if isinstance(data, str) else compact(data)}


def _with_items(page: Mapping[str, Json]) -> dict[str, Json]:
    """Rename the one list of a page; `{"data": null, "pagination": {...}}` is an empty one."""
    lists = [name for name, member in page.items() if isinstance(member, list)]
    if not lists and "pagination" in page:
        lists = [name for name, member in page.items() if member is None]
    if "items" in page or len(lists) != 1:
        return dict(page)
    others = {name: member for name, member in page.items() if name != lists[0]}
    return {"items": page[lists[0]] or [], **others}


def _cut_data(operation: Operation, structured: dict[str, Json], budget: int) -> dict[str, Json]:
    smaller: dict[str, Json] = cut(structured, budget)
    return {**smaller, "truncated": True, "hint": _data_hint(operation, structured, smaller)}


def _data_hint(operation: Operation, whole: Mapping[str, Json], smaller: Mapping[str, Json]) -> str:
    items, kept = whole.get("items"), smaller.get("items")
    if not isinstance(items, list) or not isinstance(kept, list) or len(kept) == len(items):
        less = narrowing(operation)
        remedy = f"Call again with {less}." if less else "No argument asks for less."
        return f"Long or deep values were cut. {remedy}"
    cut_off = f"{len(items) - len(kept)} of {len(items)} items were cut."
    return f"{cut_off} {_rest(operation, whole, len(kept))}"


def _rest(operation: Operation, whole: Mapping[str, Json], kept: int) -> str:
    """How to get the items that follow the first ones."""
    pagination = whole.get("pagination")
    offset = pagination.get("offset") if isinstance(pagination, dict) else None
    if "offset" in operation.http.query and kept:
        place = f"offset={offset + kept}" if isinstance(offset, int) else f"offset higher by {kept}"
        return f"Call again with {place} for the rest."
    less = narrowing(operation)
    return f"Call again with {less}." if less else "Read the others one by one, by their id."


def _log_text(data: Json) -> str | None:
    """A log as readable text: a text itself, lines, rows of a build, or an object with a text."""
    if isinstance(data, list):
        return "\n".join(_log_line(row) for row in data)
    if isinstance(data, dict):
        texts = [member for member in data.values() if isinstance(member, str)]
        data = texts[0] if len(texts) == 1 else data
    if data is None:
        return ""
    return _INVISIBLE.sub("", data) if isinstance(data, str) else None


def _log_line(row: Json) -> str:
    if isinstance(row, dict):
        stage, line = row.get("stage"), row.get("log")
        row = f"{stage} | {line}" if stage else line
    return _INVISIBLE.sub("", row if isinstance(row, str) else compact(row)).rstrip()


def _log_result(
    operation: Operation, log: str, data: Json, budget: int
) -> mcp_types.CallToolResult:
    if weigh(compact(log)) <= budget:
        return _result(log or "The log is empty.", {"log": log})
    tail = cut_text(log, budget - _HINT_BYTES, keep_end=True)
    # The first line is only the end of one, unless it is all there is.
    tail = tail.partition("\n")[2] or tail
    hint = _log_hint(operation, data, len(log.splitlines()), len(tail.splitlines()))
    return _result(f"[{hint}]\n{tail}", {"log": tail, "truncated": True, "hint": hint})


def _log_hint(operation: Operation, data: Json, lines: int, shown: int) -> str:
    numbers = [
        row["lineNumber"]
        for row in (data if isinstance(data, list) else ())
        if isinstance(row, dict) and isinstance(row.get("lineNumber"), int)
    ]
    end = f"Only the end of the log is shown, {shown} of {lines} lines."
    if numbers and "skip" in operation.http.query:
        return f"{end} Call again with skip={max(numbers)} for the lines that follow."
    less = narrowing(operation)
    return f"{end} Call again with {less}." if less else end


def _result(text: str, structured: Mapping[str, Json]) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=text)], structured_content=structured
    )
