"""Redaction: secrets taken out of everything that leaves a call."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from createos_mcp.contract.operations import Problem, SecretMembers
from createos_mcp.contract.spelling import normalize_name
from createos_mcp.contract.values import MASK, Json

_LEAST_CHARACTERS = 6
"""A shorter value is too common for its every occurrence to be masked."""

_ASSIGNED = re.compile(r"""(?<=\w)(=|["']\s{0,3}:\s{0,3}["'])([^\s"'&;,]{4,})""")
"""A value beside its name, as logs have it: `DB_PASSWORD=...` or `"token": "..."`."""

_LAST_WORD = re.compile(r"\w+\Z")
# A longer member is text, not the name of a variable.
_NAME_CHARACTERS = 60

_CUT = "…"
_OPENING = ("{", "[")


class SecretTable:
    """Which members and which texts are secrets, for all calls."""

    def __init__(self, members: SecretMembers) -> None:
        self._maps = _name_spellings(members.maps)
        self._values = _name_spellings(members.values)
        self._public = _name_spellings(members.public)
        self._plain = _name_spellings(members.plain)
        self._common_values = frozenset(members.ordinary)
        # One after the other: each begins with letters that are found fast, all together do not.
        self.patterns = tuple(map(re.compile, members.patterns))

    def is_map(self, name: str) -> bool:
        """Whether each value in this member is a secret."""
        return normalize_name(name) in self._maps

    def is_value(self, name: str) -> bool:
        """Whether this member is a secret."""
        return normalize_name(name) in self._values

    def has_secret_name(self, name: str) -> bool:
        """Whether a variable of this name holds a secret, `DB_PASSWORD`."""
        spelled = normalize_name(name)
        return any(value in spelled for value in self._values)

    def never_secret_member(self, name: str) -> bool:
        """Whether nothing in this member is a secret."""
        return normalize_name(name) in self._public

    def is_distinctive(self, secret: str) -> bool:
        """Whether a secret is long and rare enough for its every occurrence to be masked."""
        return len(secret) >= _LEAST_CHARACTERS and secret.lower() not in self._common_values

    def always_shown_member(self, name: str) -> bool:
        """Whether this member is shown though a secret may have the same value."""
        return normalize_name(name) in self._plain


class Redaction:
    """The secrets of one call, by the members that hold them and by their values.

    Args:
        table: Which members hold secrets.
        reveal: The one variable that the caller wants in clear.
        shown: Members of the answer itself that stay in clear, because the call made them.
    """

    def __init__(
        self, table: SecretTable, *, reveal: str | None = None, shown: frozenset[str] = frozenset()
    ) -> None:
        self._table = table
        self._reveal = reveal
        self._shown = shown
        self._seen: set[str] = set()
        self._kept: set[str] = set()

    def register_secrets(self, value: Json) -> None:
        """Remember the secrets in arguments or an answer, so that they are known elsewhere."""
        if isinstance(value, dict):
            self._kept |= {value[n] for n in self._shown if isinstance(value.get(n), str)}
        for name, secret in _secrets(self._table, value):
            if name == self._reveal:
                self._kept.add(secret)
            elif self._table.is_distinctive(secret):
                self._seen.add(secret)
                self.__dict__.pop("_known", None)

    def mask(self, value: Json) -> Json:
        """The same value with a mask in place of each secret that was registered."""
        masked = self._mask(value, plain=False)
        if isinstance(value, dict):
            masked |= {name: value[name] for name in self._shown & value.keys()}
        return masked

    def mask_text(self, text: str) -> str:
        """A text without the secrets that were seen, and without what looks like one."""
        known = self._known.sub(MASK, text) if self._known else text
        masked = self._mask_cut(known)
        for pattern in self._table.patterns:
            masked = pattern.sub(self._mask_pattern, masked)
        return _ASSIGNED.sub(self._mask_assigned, masked)

    @cached_property
    def _known(self) -> re.Pattern[str] | None:
        """Matches the longest secret first, so that no end of one is left."""
        secrets = sorted(self._seen - self._kept, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def _mask_pattern(self, match: re.Match[str]) -> str:
        return match[0] if self._is_kept(match[0]) else MASK

    def _mask_assigned(self, match: re.Match[str]) -> str:
        before = match.string[max(0, match.start() - _NAME_CHARACTERS) : match.start()]
        name = _LAST_WORD.search(before)
        is_secret = name is not None and self._table.has_secret_name(name[0])
        return f"{match[1]}{MASK}" if is_secret and not self._is_kept(match[2]) else match[0]

    def _is_kept(self, text: str) -> bool:
        return any(text in kept for kept in self._kept)

    def _mask_cut(self, text: str) -> str:
        """Mask the beginning of a secret at the end of a text that was cut."""
        pieces = text.split(_CUT)
        for secret in self._seen - self._kept if len(pieces) > 1 else ():
            pieces[:-1] = [_without_beginning(piece, secret) for piece in pieces[:-1]]
        return _CUT.join(pieces)

    def _mask(self, value: Json, *, plain: bool) -> Json:
        if isinstance(value, str):
            return value if plain else self.mask_text(value)
        if isinstance(value, list):
            return [self._mask(item, plain=plain) for item in value]
        if isinstance(value, dict):
            return {name: self._mask_member(name, held) for name, held in value.items()}
        return value

    def _mask_member(self, name: str, held: Json) -> Json:
        if self._table.never_secret_member(name):
            return held
        if self._table.is_map(name):
            return _map_leaves(held, self._mask_secret)
        if self._table.is_value(name) and not isinstance(held, bool | dict | list):
            return self._mask_secret(name, held)
        return self._mask(held, plain=self._table.always_shown_member(name))

    def _mask_secret(self, name: str, held: Json) -> Json:
        return held if held is None or held == "" or name == self._reveal else MASK


def find_masks(table: SecretTable, arguments: Mapping[str, Json]) -> list[Problem]:
    """Report masks that come back as values: they would overwrite what they stand for."""
    message = (
        "this is the mask of a secret, not its value; pass the value itself, or read it with reveal"
    )
    return [
        Problem(path=name, message=message)
        for name, secret in _secrets(table, arguments)
        if secret == MASK
    ]


def _secrets(table: SecretTable, value: Json) -> Iterator[tuple[str, str]]:
    """Name and value of every secret in a value, also in a text that is JSON."""
    if isinstance(value, str):
        value = [_parse_assignment(line) for line in _json_lines(value)]
    if isinstance(value, list):
        for item in value:
            yield from _secrets(table, item)
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from _secrets_of_member(table, name, held)


def _secrets_of_member(table: SecretTable, name: str, held: Json) -> Iterator[tuple[str, str]]:
    if table.never_secret_member(name):
        return
    if table.is_map(name):
        yield from _leaves(name, held)
    elif table.is_value(name) and isinstance(held, str):
        yield name, held
    else:
        yield from _secrets(table, held)


def _json_lines(text: str) -> list[str]:
    if not any(opening in text for opening in _OPENING):
        return []
    return [line for line in text.splitlines() if line.lstrip().startswith(_OPENING)]


def _parse_assignment(line: str) -> Json:
    """What a line of JSON holds; anything else holds nothing that has a name."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _leaves(name: str, value: Json) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def keep(leaf: str, held: Json) -> Json:
        if held is not None and not isinstance(held, bool):
            found.append((leaf, str(held)))
        return held

    _map_leaves(value, keep, name)
    yield from found


def _map_leaves(value: Json, change: Callable[[str, Json], Json], name: str = "") -> Json:
    """Change each scalar; a variable's name may stand beside its value: `{"name", "value"}`."""
    if isinstance(value, list):
        return [_map_leaves(item, change, name) for item in value]
    if not isinstance(value, dict):
        return change(name, value)
    label = value.get("name", value.get("key"))
    if isinstance(label, str) and "value" in value:
        return {**value, "value": _map_leaves(value["value"], change, label)}
    return {member: _map_leaves(held, change, member) for member, held in value.items()}


def _without_beginning(text: str, secret: str) -> str:
    for length in range(min(len(secret), len(text)), _LEAST_CHARACTERS - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + MASK
    return text


def _name_spellings(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(normalize_name, names))
