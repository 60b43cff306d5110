"""Search: tools found by plain words, ranked by BM25 in SQLite's full-text index."""

import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, islice, pairwise

from createos_mcp.contract.operations import Tool

_TABLES = """
CREATE VIRTUAL TABLE labels USING fts5(id UNINDEXED, verb, title, tokenize='porter unicode61');
CREATE VIRTUAL TABLE texts USING fts5
    (id UNINDEXED, name, description, keywords, arguments, tokenize='porter unicode61');
"""
"""Names and titles have a table of their own, because BM25 weighs a word by the length of its
row, and a short name that is matched whole says more than a word among many."""

_INSERT_LABEL = "INSERT INTO labels VALUES (?, ?, ?)"
_INSERT_TEXT = "INSERT INTO texts VALUES (?, ?, ?, ?, ?)"
_RANKED = """
SELECT id FROM (
    SELECT id, 0.5 * bm25(labels, 0, 1.0, 1.0) AS score FROM labels WHERE labels MATCH :words
    UNION ALL
    SELECT id, bm25(texts, 0, 1.0, 0.5, 3.0, 0.3) AS score FROM texts WHERE texts MATCH :words
)
GROUP BY id ORDER BY sum(score), id
"""
"""The lower a score, the better; https://sqlite.org/fts5.html#the_bm25_function."""

_WORD = re.compile(r"[a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_THINGS = (
    (re.compile(r"\S+@\S+\.\w+"), " person "),
    (re.compile(r"\S+/\S+:[\w.-]+|\b\w+:\d[\w.-]*"), " image "),
    (re.compile(r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|co|eu|de|uk)\b"), " domain "),
    (re.compile(r"\b(\d+)s\b"), r"\1"),
    (re.compile(r"\btake\b(.*)\bout of\b"), r" remove \1 from "),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{4,36}\b"), " deployment "),
    (
        re.compile(
            r"\b(?:node(?:js)?|python|go(?:lang)?|bun|deno|rust|ruby|php|java) ?v?\d[\d.]*\b"
        ),
        " runtime version settings ",
    ),
)
"""Names that say only what kind of thing they name, and that kind."""

_VARIABLE_NAME = re.compile(r"\b(?=[A-Z0-9_]*[A-Z])[A-Z][A-Z0-9_]{2,}\b")
_ACRONYMS = frozenset(
    """API APIS AWS CDN CLI CPU CSS CVE CVES DNS FTP GPU HTML HTTP HTTPS IPS JSON MCP NPM PDF PHP
    RAM REST SDK SLA SMS SQL SSH SSL SSO TCP TLS TTL UDP URI URL URLS USB VPN VPS WAF XML YAML
    YML ZIP NOT ALL THE AND WHY HOW OR NEAR""".split()  # noqa: SIM905 - read as a text
)
"""Words in capitals that are no names of variables."""

_MAX_CHARACTERS, _MAX_WORDS = 1000, 40
"""How much of a request is read."""

_COMMON = frozenset(
    """a about all an and any are as at be been but by can could did do does for from get give
    had has how i if in into is it its last let like made make many me more much my need no not now
    of off on one or our out please put see should show so some someone tell than that the their
    them then there these they this those to too up us use want was we were what when where which
    why will with would you your""".split()  # noqa: SIM905 - read as a text
)
"""Words that say nothing about a tool."""


_DESTRUCTIVE = re.compile(
    r"\b(?:delet|remov|revok|destroy|drop|cancel|tear|clean|kill|wip|eras|purg|rid|shut|unpublish"
    r"|unlist|uninstall|unlink|unset|tak\w* down|detach|disconnect|discard|abort|stop|end|transfer"
    r"|giv|hand|replac|overwrit|reset|invalidat|throw|scrap|expire|leave|clear)"
)
"""Words of a request that may mean a tool which takes something away."""


_ENDING = re.compile(
    r"\b(?:delet|remov|revok|destroy|nuke|wip|erase|trash|get rid|take\b.*\bout of\b|scrap\b)"
)
"""Words of a request that hardly mean anything else."""

_LOOKED_AT = 8
"""Of what was found: behind that a tool has too little to do with the request."""

_ENDING_VERBS = frozenset({"Delete", "Remove", "Revoke", "Cancel"})


class ToolIndex:
    """An index of tools by names, titles, descriptions, keywords and arguments.

    Args:
        tools: What can be found.
        synonyms: What people say to what the tools say, `{"remove": ("delete",)}`.
    """

    def __init__(self, tools: Iterable[Tool], synonyms: Mapping[str, Sequence[str]]) -> None:
        self._synonyms = synonyms
        self._names: dict[str, str] = {}
        self._destructive: set[str] = set()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.executescript(_TABLES)
        for tool in tools:
            if _verb(tool) in _ENDING_VERBS:
                self._destructive.add(tool.name)
            self._names |= {n.lower(): tool.name for n in (tool.name, *tool.aliases)}
            self._database.execute(_INSERT_LABEL, (tool.name, _verb(tool), tool.title))
            self._database.execute(_INSERT_TEXT, (tool.name, *_tool_texts(tool)))

    def search(self, request: str, *, among: Collection[str], limit: int) -> list[str]:
        """Names of the tools that fit best, the best one first.

        Args:
            request: Plain words, `roll production back`.
            among: Names that may be found.
            limit: How many at most.
        """
        words = _search_words(request, self._synonyms)
        if not words:
            return []
        expression = " OR ".join(f'"{word}"' for word in words)
        ranked = (name for (name,) in self._database.execute(_RANKED, {"words": expression}))
        named = self._names.get("".join(request[:_MAX_CHARACTERS].split()).lower())
        found = dict.fromkeys(chain([named] if named else [], ranked))
        if named is None and _ENDING.search(request.lower()):
            best = islice(found, _LOOKED_AT)
            found = dict.fromkeys([*(one for one in best if one in self._destructive), *found])
        elif named is None and not _DESTRUCTIVE.search(request.lower()):
            # Nobody who asks how something is shall be offered to end it.
            found = dict.fromkeys(sorted(found, key=self._destructive.__contains__))
        return list(islice((name for name in found if name in among), limit))


def _search_words(request: str, synonyms: Mapping[str, Sequence[str]]) -> list[str]:
    named = _VARIABLE_NAME.sub(_name_kind, request[:_MAX_CHARACTERS])
    text = _HUMP.sub(" ", named).lower()
    for name, kind in _THINGS:
        text = name.sub(kind, text)
    said = _WORD.findall(text)[:_MAX_WORDS]
    pairs = {" ".join(pair): pair for pair in pairwise(said)}
    phrases = [phrase for phrase in pairs if phrase in synonyms]
    used = {word for phrase in phrases for word in pairs[phrase]}
    single = [word for word in said if word not in used]
    meant = [word for key in (*phrases, *single) for word in synonyms.get(key, ())]
    telling = [word for word in single if word not in _COMMON]
    return list(dict.fromkeys([*telling, *meant])) or said


def _name_kind(word: re.Match[str]) -> str:
    """`DATABASE_URL` says no more than that it is a variable."""
    return word[0] if word[0] in _ACRONYMS else " variables "


def _verb(tool: Tool) -> str:
    """What a tool does, by which it differs from its neighbours: the first word of its name."""
    return _spaced(tool.name).partition(" ")[0]


def _tool_texts(tool: Tool) -> tuple[str, str, str, str]:
    names = " ".join(_spaced(name) for name in (tool.name, *tool.aliases))
    arguments: Mapping[str, Mapping[str, str]] = tool.input_schema["properties"]
    described = [f"{_spaced(name)} {a.get('description', '')}" for name, a in arguments.items()]
    return names, tool.description, tool.keywords, " ".join(described)


def _spaced(name: str) -> str:
    """`runEnvs` and `project_id` as words."""
    return _HUMP.sub(" ", name).replace("_", " ").replace("-", " ")
