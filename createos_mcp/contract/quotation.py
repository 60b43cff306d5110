"""Quotation: a text from outside made fit to stand in one of our sentences."""

import re

MESSAGE_BYTES = 2_000
"""How much of a text from outside one of our sentences quotes."""

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of surrogate pairs and marks that turn the direction of text."""


def quote(text: str, *, limit_bytes: int = MESSAGE_BYTES) -> str:
    """Make a text from outside fit to be quoted: visible characters only, cut to a length."""
    start = _INVISIBLE.sub("", text[: 4 * limit_bytes]).strip()
    encoded = start.encode()
    if len(encoded) <= limit_bytes:
        return start
    return encoded[: limit_bytes - 3].decode(errors="ignore") + "…"
