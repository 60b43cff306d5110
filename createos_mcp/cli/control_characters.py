"""Control characters: what a terminal would obey, taken out of texts that come from elsewhere."""

import re

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
"""What would move the cursor, retitle the window or answer as if the user had typed."""

_HIDDEN_IN_JSON = re.compile("[\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")
"""What JSON takes as it is, and a terminal or a reader's eye does not."""


def clean_line(text: str) -> str:
    """The text without control characters; line ends and tabs stay."""
    return _CONTROL.sub("", text).encode(errors="replace").decode()


def clean_json(document: str) -> str:
    """A JSON document that says the same, with escapes in place of such characters."""
    return _HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
