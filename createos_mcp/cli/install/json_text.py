"""JSON text with one member set or removed; all the rest stays as it is, byte for byte.

The text is cut at places that the standard library's decoder finds. A library that parses
comments into a tree (json-five) took 3.5 s for 150 kB, and such files reach megabytes.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from createos_mcp.contract.errors import ConfigTextError
from createos_mcp.contract.values import Json

_INDENT = "  "
_NO_JSON = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]|\\.)*" )
    | //[^\n]*
    | /\*.*?\*/
    | ,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])
    """,
    re.VERBOSE | re.DOTALL,
)
"""Strings, and what JSON with comments has beyond JSON: comments and trailing commas."""

# What VS Code calls JSON with comments:
# https://code.visualstudio.com/docs/languages/json#_json-with-comments
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_NOT_A_LINE_END = re.compile(r"[^\n]")
_BLANK = re.compile(r"\s*")
_LINE_END = re.compile(r"[ \t]*\r?\n[ \t]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """Where one member of an object stands."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Object:
    """Where an object stands, from its brace to its closing brace."""

    start: int
    close: int
    members: tuple[_Member, ...]

    def find(self, key: str) -> _Member | None:
        """The member of that name; of several the last, as decoders take it."""
        return next((m for m in reversed(self.members) if m.key == key), None)


def read_json(text: str, *, comments: bool) -> Json:
    """The value of a text; an empty one is an empty object.

    Args:
        text: The whole document.
        comments: Whether comments and trailing commas are allowed.

    Raises:
        ConfigTextError: It is no JSON, or no object.
    """
    value: Json = json.loads(_strip_comments(text, comments=comments) or "{}")
    return value


def set_member(text: str, path: Sequence[str], value: Json, *, comments: bool) -> str:
    """The text with a value at a path; objects on the way are made where they are missing.

    Args:
        text: The whole document.
        path: Names from the root on, `("mcpServers", "createos", "command")`.
        value: Takes the place of what is there.
        comments: Whether comments and trailing commas are allowed.

    Raises:
        ConfigTextError: It is no JSON, or something on the way is no object.
    """
    plain = _strip_comments(text, comments=comments)
    if not plain:
        return _render_json(_nest(path, value), _INDENT) + "\n"
    here, found, depth = _descend(plain, path)
    if found is None:
        return _insert(text, here, path[depth], _nest(path[depth + 1 :], value))
    shown = _render_json(value, _unit(text), _line_indent(text, found.start))
    return text[: found.value] + _with_line_ends(text, shown) + text[found.end :]


def remove_member(text: str, path: Sequence[str], *, comments: bool) -> str:
    """The text without the member at a path; unchanged when there is none.

    Raises:
        ConfigTextError: It is no JSON, or something on the way is no object.
    """
    plain = _strip_comments(text, comments=comments)
    if not plain:
        return text
    here, found, _ = _descend(plain, path)
    return text if found is None else _cut(text, here, found)


def _descend(plain: str, path: Sequence[str]) -> tuple[_Object, _Member | None, int]:
    """The member at a path, and the object that holds it; or where the way ends, and how deep."""
    at = _skip(plain, 0)
    for depth, key in enumerate(path[:-1]):
        here = _read_object_at(plain, at, path[:depth])
        found = here.find(key)
        if found is None:
            return here, None, depth
        at = found.value
    here = _read_object_at(plain, at, path[:-1])
    return here, here.find(path[-1]), len(path) - 1


def _strip_comments(text: str, *, comments: bool) -> str:
    """The text as plain JSON, each character at its place; empty for an empty document."""
    plain = _NO_JSON.sub(_blank_out, text) if comments else text
    if not plain.strip():
        return ""
    try:
        value = json.loads(plain)
    except json.JSONDecodeError as error:
        raise ConfigTextError(error.msg, error.lineno) from error
    except RecursionError as error:
        raise ConfigTextError("nested too deeply", 1) from error
    if not isinstance(value, dict):
        raise ConfigTextError("it must be an object: {...}", 1)
    return plain


def _blank_out(found: re.Match[str]) -> str:
    return found["string"] or _NOT_A_LINE_END.sub(" ", found[0])


def _read_object_at(plain: str, start: int, path: Sequence[str]) -> _Object:
    if plain[start] != "{":
        name = ".".join(path)
        raise ConfigTextError(f"{name} must be an object: {{...}}", _line(plain, start))
    members = tuple(_read_members_of(plain, start))
    close = _skip(plain, members[-1].end if members else start + 1)
    return _Object(start=start, close=close, members=members)


def _read_members_of(plain: str, start: int) -> Iterator[_Member]:
    place = _skip(plain, start + 1)
    while plain[place] == '"':
        key, end = _DECODER.raw_decode(plain, place)
        value = _skip(plain, _skip(plain, end) + 1)
        _, end = _DECODER.raw_decode(plain, value)
        yield _Member(key=key, start=place, value=value, end=end)
        place = _skip(plain, end)
        if plain[place] == ",":
            place = _skip(plain, place + 1)


def _insert(text: str, here: _Object, key: str, value: Json) -> str:
    """Add a member at the end, laid out like those before it."""
    if not here.members:
        return _insert_first(text, here, key, value)
    last = here.members[-1]
    tail = text[last.end : here.close]
    trails = "," in _COMMENT.sub("", tail)
    if "\n" in text[here.start : here.close]:
        own_line = _starts_line(text, last.start)
        indent = _line_indent(text, last.start) if own_line else _inner_indent(text, here)
        added = f"\n{indent}{json.dumps(key)}: {_render_json(value, _unit(text), indent)}"
    else:
        added = f" {json.dumps({key: value})[1:-1]}"
    kept = tail.rstrip()
    added = _with_line_ends(text, added + ("," if trails else ""))
    comma = "" if trails else ","
    return text[: last.end] + comma + kept + added + tail[len(kept) :] + text[here.close :]


def _insert_first(text: str, here: _Object, key: str, value: Json) -> str:
    indent = _inner_indent(text, here)
    added = f"\n{indent}{json.dumps(key)}: {_render_json(value, _unit(text), indent)}"
    ending = f"\n{_line_indent(text, here.start)}"
    kept = text[: here.close].rstrip()
    return kept + _with_line_ends(text, added + ending) + text[here.close :]


def _cut(text: str, here: _Object, found: _Member) -> str:
    """Take a member out, with its comma and its line; comments around it stay."""
    place = here.members.index(found)
    is_last = place == len(here.members) - 1
    start, end = found.start, found.end
    until = here.close if is_last else here.members[place + 1].start
    comma = _comma(text, end, until)
    if comma is not None:
        end = comma + 1
    elif place:
        earlier = _comma(text, here.members[place - 1].end, start)
        if earlier is not None:
            text = text[:earlier] + text[earlier + 1 :]
            start, end = start - 1, end - 1
    gap = _LINE_END.match(text, end)
    if gap and not is_last:
        return text[:start] + text[gap.end() :]
    return _close_up(text[:start], text[end:])


def _close_up(head: str, tail: str) -> str:
    """Join what stood around the last member of an object."""
    closing = tail.lstrip()
    # Without a line's end after it, what is cut may end the line of a comment.
    if "\n" in tail[: len(tail) - len(closing)]:
        head = head.rstrip()
    return head + closing if head.endswith("{") and closing.startswith("}") else head + tail


def _comma(text: str, start: int, end: int) -> int | None:
    """Where the comma after a value stands, whatever comments say in between."""
    blanked = _COMMENT.sub(lambda found: " " * len(found[0]), text[start:end])
    place = blanked.find(",")
    return None if place < 0 else start + place


def _nest(path: Sequence[str], value: Json) -> Json:
    for key in reversed(path):
        value = {key: value}
    return value


def _render_json(value: Json, unit: str, indent: str = "") -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"\n{indent}")


def _with_line_ends(text: str, added: str) -> str:
    return added.replace("\n", "\r\n") if "\r\n" in text else added


def _unit(text: str) -> str:
    """What the text indents by: the first indented line tells."""
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found else _INDENT


def _line_indent(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip())]


def _inner_indent(text: str, here: _Object) -> str:
    return _line_indent(text, here.start) + _unit(text)


def _starts_line(text: str, place: int) -> bool:
    return not text[text.rfind("\n", 0, place) + 1 : place].strip()


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _skip(plain: str, place: int) -> int:
    found = _BLANK.match(plain, place)
    return found.end() if found else place
