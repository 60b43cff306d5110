"""Results: data or an error as the tool result that the model reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from createos_mcp.answers.advice import narrowing, next_step
from createos_mcp.answers.framing import FRAME_BYTES, Frame
from createos_mcp.answers.logs import view_log
from createos_mcp.answers.sanitizing import Sanitized, clean_text
from createos_mcp.answers.truncation import (
    compact,
    encoded_size,
    truncate,
    truncate_text,
)
from createos_mcp.contract.errors import ApiError, CallError
from createos_mcp.contract.operations import Operation, Reference, Tool
from createos_mcp.contract.quotation import quote
from createos_mcp.contract.values import Json

_ENVELOPE_BYTES = 250
"""What a result takes beside its data."""

_HINT_BYTES = 700
"""What `truncated` and `hint` weigh at most."""

_FAILURE_BYTES = 8_000
"""How much of an error's own text is shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolResult:
    """What a model reads of a call."""

    text: str
    structured: Mapping[str, Json] = field(default_factory=dict)
    """The same as data; an error has none."""
    is_error: bool = False


def success_result(
    tool: Tool,
    answer: Sanitized,
    *,
    arguments: Mapping[str, Json] | None = None,
    log_lines: int | None = None,
    budget_bytes: int = 60_000,
    frame: Frame | None = None,
    mask: Callable[[str], str] = str,
) -> ToolResult:
    """Show an answer, as text and as structured content that hold the same.

    An object stays as it is, a list becomes `{"items": [...]}`, a page
    `{"items": [...], "pagination": {...}}`, a sentence `{"message": "..."}` and a log
    `{"log": "..."}`. What does not fit is cut inside; then `truncated` and `hint` are added.

    Args:
        tool: What answered.
        answer: The data that it answered with, without secrets.
        arguments: Those of the call; a log is shown as they ask.
        log_lines: How many of a log are shown where they do not say; None for all.
        budget_bytes: Limit for the whole result as it is sent, from 2,000 up.
        frame: Marks text of other people; then `notice` says what the marks mean.
        mask: Takes secrets out of a log, where one may go on in the next line.
    """
    budget = budget_bytes - _ENVELOPE_BYTES
    data = answer.value
    if tool.answer == "log":
        log = view_log(data, arguments or {}, most=log_lines)
        if isinstance(log, str):
            return _log_result(tool, mask(log), data, budget, frame)
    structured = _structured(tool, data)
    if frame and tool.untrusted:
        structured = frame.wrap_members(structured, tool.untrusted)
        budget -= FRAME_BYTES
    text = compact(structured)
    if answer.is_cut or encoded_size(text) > budget:
        structured = _cut_data(tool, structured, budget - _HINT_BYTES)
        structured = frame.close_cut(structured) if frame else structured
        text = compact(structured)
    if frame and frame.is_used:
        structured = {**structured, "notice": frame.notice}
        text = f'{text[:-1]},"notice":{compact(frame.notice)}}}'
    return ToolResult(text=text, structured=structured)


def failure_result(
    tool: Tool,
    error: CallError,
    references: Sequence[Reference],
    *,
    at: Operation | None = None,
    done: Sequence[str] = (),
    mask: Callable[[str], str] = str,
) -> ToolResult:
    """Show what failed, what the platform says and means by it, and the one next step.

    Args:
        tool: What was called.
        error: Why it failed.
        references: Tell which operation lists the ids of an argument.
        at: The operation that failed, where it is not the tool itself.
        done: What the tool had changed before it failed.
        mask: Takes secrets out of a text.
    """
    failed = at or tool
    said: Iterable[str] = [str(error)]
    if isinstance(error, ApiError) and isinstance(failed, Operation):
        said = _api_lines(failed, error)
    shown = quote(mask(clean_text("\n".join(said))), limit_bytes=_FAILURE_BYTES)
    place = f" at {at.name}" if at and at.name != tool.name else ""
    step = next_step(failed, error, references)
    before = "".join(f"\nDone before that: {change}." for change in done)
    text = f"{tool.name} failed{place}: {shown}{before}\nNext: {step}"
    return ToolResult(text=text, is_error=True)


def _api_lines(operation: Operation, error: ApiError) -> Iterator[str]:
    meaning = operation.http.errors.get(error.status)
    yield f"HTTP {error.status}" + (f", {meaning}." if meaning else ".")
    if error.message:
        # On one line, so that nothing in it reads like a line of ours.
        yield f'The platform says: "{" ".join(error.message.split())}"'
    for name, text in error.fields.items():
        if text not in error.message:
            yield f"- {name}: {' '.join(text.split())}"


def _structured(tool: Tool, data: Json) -> dict[str, Json]:
    """The data as an object, in the form that the output schema promises."""
    listed = "items" in tool.output_schema.get("properties", {})
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


def _cut_data(tool: Tool, structured: dict[str, Json], budget: int) -> dict[str, Json]:
    smaller: dict[str, Json] = truncate(structured, budget)
    return {**smaller, "truncated": True, "hint": _data_hint(tool, structured, smaller)}


def _data_hint(tool: Tool, whole: Mapping[str, Json], smaller: Mapping[str, Json]) -> str:
    items, kept = whole.get("items"), smaller.get("items")
    if not isinstance(items, list) or not isinstance(kept, list) or len(kept) == len(items):
        less = narrowing(tool)
        remedy = f"Call again with {less}." if less else "No argument narrows it."
        return f"Long or deep values were truncated. {remedy}"
    cut_off = f"{len(items) - len(kept)} of {len(items)} items were omitted."
    return f"{cut_off} {_rest(tool, whole, len(kept))}"


def _rest(tool: Tool, whole: Mapping[str, Json], kept: int) -> str:
    """How to get the items that follow the first ones."""
    pagination = whole.get("pagination")
    offset = pagination.get("offset") if isinstance(pagination, dict) else None
    if "offset" in tool.input_schema["properties"] and kept:
        place = f"offset={offset + kept}" if isinstance(offset, int) else f"offset higher by {kept}"
        return f"Call again with {place} for the rest."
    less = narrowing(tool)
    return f"Call again with {less}." if less else "Read the others one by one, by ID."


def _log_result(tool: Tool, log: str, data: Json, budget: int, frame: Frame | None) -> ToolResult:
    if not log:
        return ToolResult(text="The log is empty.", structured={"log": ""})
    budget -= FRAME_BYTES if frame else 0
    if encoded_size(compact(log)) <= budget:
        return _framed_log(log, frame, {})
    tail = truncate_text(log, budget - _HINT_BYTES, keep_end=True)
    # The first line is only the end of one, unless it is all there is.
    tail = tail.partition("\n")[2] or tail
    hint = _log_hint(tool, data, len(log.splitlines()), len(tail.splitlines()))
    return _framed_log(tail, frame, {"truncated": True, "hint": hint})


def _framed_log(log: str, frame: Frame | None, facts: Mapping[str, Json]) -> ToolResult:
    shown = frame.wrap(log, separator="\n") if frame else log
    notices = [f"[{facts['hint']}]"] if facts else []
    if frame:
        facts = {**facts, "notice": frame.notice}
        notices.insert(0, frame.notice)
    return ToolResult(text="\n".join([*notices, shown]), structured={"log": shown, **facts})


def _log_hint(tool: Tool, data: Json, lines: int, shown: int) -> str:
    numbers = [
        row["lineNumber"]
        for row in (data if isinstance(data, list) else ())
        if isinstance(row, dict) and isinstance(row.get("lineNumber"), int)
    ]
    end = f"Showing the last {shown} of {lines} lines of the log."
    if numbers and "skip" in tool.input_schema["properties"]:
        return f"{end} Call again with skip={max(numbers)} for later lines."
    less = narrowing(tool)
    return f"{end} Call again with {less}." if less else end
