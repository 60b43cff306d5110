"""Sanitizing: what arrives from outside made harmless, once, where it arrives."""

import re
from dataclasses import dataclass

from createos_mcp.contract.values import Json

MAX_DEPTH = 32
"""Nesting beyond this is cut; records of the API are nested far less."""

_INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff"
    "]"
)
"""Characters that show nothing or turn the direction of text: what a person who looks at it does
not see and a model reads (https://www.unicode.org/reports/tr36/, "Trojan Source" and tags)."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a character, which no encoding of text can hold."""

_CUT = "…"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sanitized:
    """A value that is safe to show, and whether something of it is missing."""

    value: Json
    is_cut: bool


def sanitize(value: Json) -> Sanitized:
    """Clean every text in a value, names of members included, and cut what is nested too deep."""
    walk = _Walk()
    return Sanitized(value=walk.clean(value, MAX_DEPTH), is_cut=walk.is_cut)


def clean_text(text: str) -> str:
    """The text without invisible characters, marks of direction and halves of characters."""
    if text.isascii():
        return text
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


class _Walk:
    """One way through a value."""

    def __init__(self) -> None:
        self.is_cut = False

    def clean(self, value: Json, depth: int) -> Json:
        if isinstance(value, str):
            return clean_text(value)
        if not isinstance(value, dict | list):
            return value
        if not depth:
            self.is_cut = True
            return _CUT
        if isinstance(value, list):
            return [self.clean(item, depth - 1) for item in value]
        return {clean_text(name): self.clean(held, depth - 1) for name, held in value.items()}
