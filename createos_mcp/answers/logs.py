"""Logs: the lines of a log as a reader wants them; chosen, folded and cut from the front."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from createos_mcp.answers.truncation import compact
from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.contract.values import Json

VIEWS = ("stage", "grep", "tail")
"""Arguments that choose lines; the API knows none of them."""

_FOLDED_FROM = 3
"""How many equal lines become one and a count."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0d-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that are not for reading."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,0-9]*(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d:\d\d")
"""When a line was written; lines that differ in nothing else are equal."""


def view_log(data: Json, arguments: Mapping[str, Json], *, most: int | None = None) -> Json:
    """Show a log as lines of text, without what the arguments leave out.

    Args:
        data: A text, lines, rows `{"stage": "build", "log": "npm ci"}`, or an object with a text.
        arguments: `stage` keeps the rows of one stage, `grep` the lines that hold a text or one
            of several between `|`, whatever their case, and `tail` so many lines of the end.
        most: Of the end without `tail`; a line says how many are left out.

    Returns:
        The text; the data itself when there is no log in it.
    """
    lines = _log_lines(data)
    if lines is None:
        return data
    wanted = [line for stage, line in lines if _is_of(stage, arguments.get("stage"))]
    found = list(_fold([line for line in wanted if _holds(line, arguments.get("grep"))]))
    tail: int = arguments.get("tail") or most or len(found)
    left_out = len(found) - tail
    if left_out <= 0:
        return "\n".join(found)
    note = [] if arguments.get("tail") else [f"[{left_out} earlier lines; tail or grep shows them]"]
    return "\n".join((*note, *found[-tail:]))


def _log_lines(data: Json) -> list[tuple[str, str]] | None:
    """Stage and text of each line; the stage of a plain text is empty."""
    if isinstance(data, list):
        return [line for row in data for line in _render_row(row)]
    if isinstance(data, dict):
        texts = [member for member in data.values() if isinstance(member, str)]
        data = texts[0] if len(texts) == 1 else data
    if data is None:
        return []
    if not isinstance(data, str):
        return None
    return [("", _readable(line)) for line in data.split("\n")]


def _readable(line: str) -> str:
    return _CONTROL.sub("", last_state(line))


def _render_row(row: Json) -> Iterator[tuple[str, str]]:
    stage, text = "", row
    if isinstance(row, dict):
        stage, text = str(row.get("stage") or ""), row.get("log")
    shown = text if isinstance(text, str) else compact(text)
    for line in map(_readable, shown.rstrip().split("\n")):
        yield stage, f"{stage} | {line}" if stage else line


def _is_of(stage: str, wanted: str | None) -> bool:
    return wanted is None or stage.lower() == wanted.strip().lower()


def _holds(line: str, wanted: str | None) -> bool:
    """A text and no pattern, because a pattern of a stranger can take for ever to match."""
    if wanted is None:
        return True
    texts = [text for text in wanted.lower().split("|") if text]
    return any(text in line.lower() for text in texts or [wanted.lower()])


def _fold(lines: Sequence[str]) -> Iterator[str]:
    for key, run in groupby(lines, key=lambda line: _TIME.sub("", line)):
        first, *others = run
        yield first
        if len(others) + 1 >= _FOLDED_FROM and key.strip():
            yield f"… repeated {len(others)} times"
        else:
            yield from others
