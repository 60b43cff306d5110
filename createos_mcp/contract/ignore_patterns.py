"""Ignore patterns: lines of `.gitignore` files, read as git reads them."""

import re
from collections.abc import Iterator

from pathspec import GitIgnoreSpec

DIRECTORY_MARK = "ps_d"
"""The group of pathspec's expressions that matches the slash after a directory."""

_BOM = b"\xef\xbb\xbf"

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \t", "cntrl": "\x01-\x1f\x7f",
    "digit": "0-9", "graph": "0-~!-.", "lower": "a-z", "print": " -.0-~",
    "punct": '#-.:-@^_`{-~!-"', "space": " \t\n\v\f\r", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""Classes of characters as ranges, without slashes and brackets; none begins with `!`."""

_SET = re.compile(r"\[[!^]?\]?(?:\[:\w+:\]|\\.|[^\]])*\]")
_CLASS = re.compile(r"\[:(\w+):\]")


def read_patterns(content: bytes) -> GitIgnoreSpec:
    """The patterns of a rule file, for paths with one letter a byte; see `as_bytes`."""
    text = content.removeprefix(_BOM).decode("latin-1")
    return GitIgnoreSpec.from_lines(filter(_is_pattern, map(_expand, _lines(text))))


def as_bytes(path: str) -> str:
    """A path with one letter a byte: git matches bytes, so that `?` is half of an `é`."""
    return path.encode(errors="surrogateescape").decode("latin-1")


def _expand(line: str) -> str:
    """The same pattern with ranges in place of classes such as `[:alpha:]`."""

    def expand_set(found: re.Match[str]) -> str:
        inner = _CLASS.sub(lambda name: _CLASSES.get(name[1], name[0]), found[0][1:])
        return f"[{inner}"

    return _SET.sub(expand_set, line)


def _lines(text: str) -> Iterator[str]:
    """Lines as git reads them: form feeds and U+2028 belong to names."""
    return (line.removesuffix("\r") for line in text.split("\n"))


def _is_pattern(line: str) -> bool:
    """Whether a line can be matched; git passes over one that cannot, such as a lone `!`."""
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
