"""Known secrets: found in a text in whatever form a program may have written them."""

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Self
from urllib.parse import quote, quote_plus

from createos_mcp.contract.values import MASK

LEAST_CHARACTERS = 6
"""A shorter value is too common for its every occurrence to be masked."""

_LEAST_ENCODED = 8
"""The same for what is left of a value in the middle of base64."""

_LEAST_LINE = 16
"""A line of a secret that has several, as private keys have, is one of its own from here on."""

_ARMOR = "-----"

_GAP = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[@-Z\\-_]"
    # A line's end, and what a log writes before the next line: a stage, the moment.
    r"|\r?\n(?:[a-z]{1,20} \| )?"
    r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,0-9]*(?:Z|[+-]\d\d:?\d\d)? ?)?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]"
)
"""What may stand within a secret without changing what a reader sees of it."""


class KnownSecrets:
    """The forms of some secrets, and the places of a text where one of them stands."""

    def __init__(self, forms: Iterable[str]) -> None:
        self._forms = sorted(set(forms), key=len, reverse=True)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Self:
        """All forms of some secrets."""
        return cls(form for secret in secrets for form in forms_of(secret))

    def within(self, texts: Iterable[str]) -> Self:
        """Those of which these texts may hold something: mostly none."""
        if not self._forms:
            return self
        held = [text for text in texts if len(text) >= LEAST_CHARACTERS]
        haystack = "\n".join([*held, _GAP.sub("", "\n".join(held))])
        beginnings = {form[:LEAST_CHARACTERS] for form in self._forms}
        found = {begin for begin in beginnings if begin in haystack}
        ends = {form[-LEAST_CHARACTERS:] for form in self._forms}
        found_ends = {end for end in ends if end in haystack}
        return type(self)(
            form
            for form in self._forms
            if form[:LEAST_CHARACTERS] in found or form[-LEAST_CHARACTERS:] in found_ends
        )

    def mask(self, text: str) -> str:
        """The text with a mask in place of each form; one that begins or ends cut, too."""
        if not self._forms or len(text) < LEAST_CHARACTERS:
            return text
        # As it stands first: what begins one may look like the end of a gap before it.
        whole = self._present_in(text)
        text = whole.sub(MASK, text) if whole else text
        plain, places = _without_gaps(text)
        found = self._present_in(plain)
        if found is None:
            return text
        masked, at = [], 0
        for match in found.finditer(plain):
            begin, end = places.original(match.start()), places.original(match.end() - 1) + 1
            masked += [text[at:begin], MASK]
            at = end
        return "".join([*masked, text[at:]])

    def _present_in(self, text: str) -> re.Pattern[str] | None:
        """Finds the forms that a text has, the longest first, so that no end of one is left."""
        present = [form for form in self._forms if form in text]
        return re.compile("|".join(map(re.escape, present))) if present else None

    def mask_end(self, text: str) -> str:
        """Mask the beginning of a form with which a text ends that was cut."""
        for form in self._forms:
            for length in range(min(len(form), len(text)), LEAST_CHARACTERS - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + MASK
        return text

    def mask_beginning(self, text: str) -> str:
        """Mask the end of a form with which a text begins that was cut."""
        for form in self._forms:
            for length in range(min(len(form), len(text)), LEAST_CHARACTERS - 1, -1):
                if text.startswith(form[-length:]):
                    return MASK + text[length:]
        return text


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it is, and as JSON, URLs, HTML, shells, hex and base64 write it."""
    yield secret
    yield from (line for line in map(str.strip, secret.splitlines()) if _is_telling(line))
    escaped = json.dumps(secret)[1:-1]
    yield escaped
    yield json.dumps(escaped)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    yield secret.replace("'", "'\\''")
    for safe in ("", "/", "!'()*~", ";,/?:@&=+$-_.!~*'()#"):
        encoded = quote(secret, safe=safe)
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    yield quote_plus(secret)
    data = secret.encode(errors="replace")
    yield data.hex()
    yield data.hex().upper()
    yield from _base64_forms(data)


def _is_telling(line: str) -> bool:
    return len(line) >= _LEAST_LINE and not line.startswith(_ARMOR)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Base64 of the secret alone, and what is the same of it wherever it begins in three bytes."""
    alone = base64.b64encode(data).decode()
    for form in (alone, alone.rstrip("=")):
        yield form
        yield form.replace("+", "-").replace("/", "_")
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        first = (0, 2, 3)[before]
        # The last character that holds bits of what follows, and the padding.
        last = len(whole) - (0, 3, 2)[(len(data) + before) % 3]
        form = whole[first:last]
        if len(form) >= _LEAST_ENCODED:
            yield form
            yield form.replace("+", "-").replace("/", "_")


class _Places:
    """Where the characters of a text without gaps stood before."""

    def __init__(self, starts: Sequence[int], lengths: Sequence[int]) -> None:
        self._starts = starts
        self._ends = list(accumulate(lengths))

    def original(self, at: int) -> int:
        piece = bisect_right(self._ends, at)
        before = self._ends[piece - 1] if piece else 0
        return self._starts[piece] + at - before


def _without_gaps(text: str) -> tuple[str, _Places]:
    pieces, starts, at = [], [], 0
    for gap in _GAP.finditer(text):
        if gap.start() > at:
            pieces.append(text[at : gap.start()])
            starts.append(at)
        at = gap.end()
    pieces.append(text[at:])
    starts.append(at)
    return "".join(pieces), _Places(starts, [len(piece) for piece in pieces])
