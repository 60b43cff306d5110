"""Templates of the pages, and how values look in them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import jinja2
from starlette.responses import HTMLResponse

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.contract.values import Json
from createos_mcp.platform.pages.drop_rules import drop_rules

TONES: Mapping[str, str] = {
    "deployed": "ok",
    "active": "ok",
    "running": "ok",
    "success": "ok",
    "listed": "ok",
    "queue": "busy",
    "building": "busy",
    "deploying": "busy",
    "promoting": "busy",
    "resizing": "busy",
    "deleting": "busy",
    "terminating": "busy",
    "starting": "busy",
    "pending": "busy",
    "in_progress": "busy",
    "underReview": "busy",
    "publishing": "busy",
    "build_error": "bad",
    "crashing": "bad",
    "error": "bad",
    "failed": "bad",
    "read_only": "bad",
    "rejected": "bad",
}
"""The color of a state; the word stands next to it. Others are neither good nor bad."""

WORDS: Mapping[str, str] = {
    "build_error": "build failed",
    "queue": "waiting",
    "deployed": "live",
    "read_only": "read-only",
    "in_progress": "in progress",
    "underReview": "in review",
}
"""States in plain words, where their own names are not."""

_KIB = 1024


def tone(state: str | None) -> str:
    """The CSS class of a state."""
    return TONES.get(state or "", "idle")


def state_word(state: str | None) -> str:
    """A state as people read it."""
    return WORDS.get(state or "", state or "nothing runs")


def size(count: float | None) -> str:
    """Bytes as people read them: `12 MB`."""
    amount = float(count or 0)
    for unit in ("bytes", "kB", "MB"):
        if amount < _KIB:
            return f"{amount:.0f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} GB"


def moment(text: str | None) -> str:
    """A time as a page shows it before its script puts it into the reader's own zone."""
    return f"{text[:16].replace('T', ' ')} UTC" if text else ""


def iso(seconds: float) -> str:
    """Unix seconds as a time that `moment` reads."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def short_id(text: str) -> str:
    """The beginning of an ID, which tells it apart."""
    return text[:8]


_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("createos_mcp.platform.pages"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.filters |= {
    "tone": tone,
    "word": state_word,
    "size": size,
    "moment": moment,
    "iso": iso,
    "short": short_id,
    "shown": last_state,
}
_environment.globals["drop_rules"] = drop_rules()


def render_text(template: str, **values: Json) -> str:
    """A template as text: a part of a page."""
    return _environment.get_template(template).render(**values)


def render(template: str, *, status: int = 200, **values: Json) -> HTMLResponse:
    """A page."""
    return HTMLResponse(render_text(template, **values), status)
