"""Redaction: secrets taken out of everything that leaves a call."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto

from createos_mcp.contract.known_secrets import LEAST_CHARACTERS, KnownSecrets
from createos_mcp.contract.operations import Problem, SecretMembers
from createos_mcp.contract.spelling import LONGEST_KEPT, normalize_name
from createos_mcp.contract.values import MASK, Json

_ASSIGNED = re.compile(
    r"""(?<=\w)(["']?\s{0,3}(?:=>|[:=])\s{0,3})((?:bearer|basic|token)\s+)?"""
    r"""(?:(["'])([^"'\r\n]{4,})(?=\3)|([^\s"'&;,]{4,}))""",
    re.IGNORECASE,
)
"""A value beside its name, as logs have it: `DB_PASSWORD=...`, `"token": "..."`, `secret = ...`."""

_LAST_WORD = re.compile(r"[\w-]+\Z")

_IN_CODE = re.compile(r"[A-Za-z_.]+[({\[].*|[<${\[(*%].*|-?\d{1,10}(?:\.\d+)?(?:ms|s|m|h|d)?")
"""What is a program's own: `token=Token{a64f992`, `token = getToken()`, `max_tokens=4096`."""

_PLACEHOLDER = re.compile(r"<[\w -]+>|\[[\w -]+\]|\*+|\$\{?\w+\}?|%\w+%|\{+\w+\}+")
"""What stands for a secret that is not there, `[FILTERED]`."""

_IN_PROSE = re.compile(
    r"[a-z][a-z-]*[.!?:]?|[A-Z][a-z-]*[.!?:]?|[A-Z]{2,}[.!?:]?|.*[:)]|[a-z.]+/.*"
)
"""What follows a colon in a sentence, `token: expired`, `(using password: YES)`."""
# A longer member is text, not the name of a variable.
_NAME_CHARACTERS = 60

_CUT = "…"
_MOST_NAMES = 4096
"""Records repeat the names of their members."""
_OPENING = ("{", "[")


class MemberKind(Enum):
    """What the name of a member tells of what it holds; the first that fits counts."""

    PUBLIC = auto()
    """Nothing in it is a secret."""
    MAP = auto()
    """Each value in it is a secret."""
    VALUE = auto()
    """It is a secret."""
    PLAIN = auto()
    """It is shown though a secret may have the same value."""
    OTHER = auto()


class SecretTable:
    """Which members and which texts are secrets, for all calls."""

    def __init__(self, members: SecretMembers) -> None:
        self._values = _name_spellings(members.values)
        self._named = (
            (_name_spellings(members.public), MemberKind.PUBLIC),
            (_name_spellings(members.maps), MemberKind.MAP),
            (self._values, MemberKind.VALUE),
            (_name_spellings(members.plain), MemberKind.PLAIN),
        )
        self._kinds: dict[str, MemberKind] = {}
        self._common_values = frozenset(members.ordinary)
        self._about = tuple(map(normalize_name, members.about))
        # One after the other: letters are found fast, all patterns together are not.
        self.patterns = tuple((row.holds, re.compile(row.pattern)) for row in members.patterns)

    def kind_of(self, name: str) -> MemberKind:
        """What a member of this name holds, as far as its name tells."""
        known = self._kinds.get(name)
        if known is not None:
            return known
        spelled = normalize_name(name)
        kind = next((kind for names, kind in self._named if spelled in names), MemberKind.OTHER)
        if len(self._kinds) >= _MOST_NAMES:
            self._kinds.clear()
        if len(name) <= LONGEST_KEPT:
            self._kinds[name] = kind
        return kind

    def has_secret_name(self, name: str) -> bool:
        """Whether a variable of this name holds a secret, `DB_PASSWORD` and not `TOKEN_TTL`."""
        spelled = normalize_name(name)
        return not spelled.endswith(self._about) and any(value in spelled for value in self._values)

    def is_distinctive(self, secret: str) -> bool:
        """Whether a secret is long and rare enough for its every occurrence to be masked."""
        return len(secret) >= LEAST_CHARACTERS and secret.lower() not in self._common_values

    def is_ordinary(self, value: str) -> bool:
        """Whether a value is nobody's secret, whatever it is called."""
        return value.lower() in self._common_values


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
        self.table = table
        self.reveal = reveal
        self._shown = shown
        self._seen: set[str] = set()
        self._kept: set[str] = set()
        self._forms: tuple[tuple[int, int], KnownSecrets] | None = None

    def register_secrets(self, value: Json) -> None:
        """Remember the secrets in arguments or an answer, so that they are known elsewhere."""
        if isinstance(value, dict):
            self._kept |= {value[n] for n in self._shown if isinstance(value.get(n), str)}
        for name, secret in _secrets(self.table, value):
            if name == self.reveal:
                self._kept.add(secret)
            elif self.table.is_distinctive(secret) and secret not in self._seen:
                self._seen.add(secret)

    def mask(self, value: Json) -> Json:
        """The same value with a mask in place of each secret that was registered."""
        walk = _MaskingWalk(self, self._known.within(_texts(value)))
        masked = walk.mask(value, plain=False)
        if isinstance(value, dict):
            masked |= {name: value[name] for name in self._shown & value.keys()}
        return masked

    def mask_text(self, text: str) -> str:
        """A text without the secrets that were seen, and without what looks like one."""
        return self.mask_within(text, self._known)

    def mask_within(self, text: str, known: KnownSecrets) -> str:
        """The same, with no other secrets seen than these."""
        masked = _mask_cut(known.mask(text), known)
        for holds, pattern in self.table.patterns:
            if holds in masked:
                masked = pattern.sub(self._mask_pattern, masked)
        return _ASSIGNED.sub(self._mask_assigned, masked)

    @property
    def _known(self) -> KnownSecrets:
        """Made anew when there are more, also while a thread goes through a large value."""
        count = (len(self._seen), len(self._kept))
        if self._forms is None or self._forms[0] != count:
            self._forms = count, KnownSecrets.of(self._seen - self._kept)
        return self._forms[1]

    def _mask_pattern(self, match: re.Match[str]) -> str:
        return match[0] if self._is_kept(match[0]) else MASK

    def _mask_assigned(self, match: re.Match[str]) -> str:
        before = match.string[max(0, match.start() - _NAME_CHARACTERS) : match.start()]
        name = _LAST_WORD.search(before)
        if name is None or not self.table.has_secret_name(name[0]):
            return match[0]
        separator, scheme, quoting, quoted, bare = match.groups(default="")
        value = quoted or bare
        is_said = separator[-1] == " " and not quoting and _IN_PROSE.fullmatch(value)
        is_code = (_PLACEHOLDER if quoting else _IN_CODE).fullmatch(value)
        if self._is_kept(value) or self.table.is_ordinary(value):
            return match[0]
        if (is_said or is_code) and not scheme:
            return match[0]
        return f"{separator}{scheme}{quoting}{MASK}"

    def _is_kept(self, text: str) -> bool:
        return any(text in kept for kept in self._kept)


class _MaskingWalk:
    """One way through a value."""

    def __init__(self, redaction: Redaction, known: KnownSecrets) -> None:
        self._redaction = redaction
        self._known = known

    def mask(self, value: Json, *, plain: bool) -> Json:
        if isinstance(value, str):
            return value if plain else self._redaction.mask_within(value, self._known)
        if isinstance(value, list):
            return [self.mask(item, plain=plain) for item in value]
        if isinstance(value, dict):
            return {name: self._mask_member(name, held) for name, held in value.items()}
        return value

    def _mask_member(self, name: str, held: Json) -> Json:
        kind = self._redaction.table.kind_of(name)
        if kind is MemberKind.PUBLIC:
            return held
        if kind is MemberKind.MAP:
            return _map_leaves(held, self._mask_secret)
        if kind is MemberKind.VALUE and not isinstance(held, bool | dict | list):
            return self._mask_secret(name, held)
        return self.mask(held, plain=kind is MemberKind.PLAIN)

    def _mask_secret(self, name: str, held: Json) -> Json:
        return held if held is None or held == "" or name == self._redaction.reveal else MASK


def _mask_cut(text: str, known: KnownSecrets) -> str:
    """Mask what is left of a secret on both sides of a cut."""
    if _CUT not in text:
        return text
    pieces = text.split(_CUT)
    pieces[:-1] = map(known.mask_end, pieces[:-1])
    pieces[1:] = map(known.mask_beginning, pieces[1:])
    return _CUT.join(pieces)


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
    kind = table.kind_of(name)
    if kind is MemberKind.PUBLIC:
        return
    if kind is MemberKind.MAP:
        yield from _leaves(name, held)
    elif kind is MemberKind.VALUE and isinstance(held, str):
        yield name, held
    elif isinstance(held, str | dict | list):
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


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for held in value.values() if isinstance(value, dict) else value:
            yield from _texts(held)


def _name_spellings(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(normalize_name, names))
