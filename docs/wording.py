"""Checks the texts that people and models read: plain American English in the field's words.

Looks at string literals of the package (not at docstrings and comments), at the texts in
`tool_schemas/` and at the Markdown documents. Exits with 1 and a list when something is found.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from createos_mcp.contract.values import Json

ROOT = Path(__file__).parent.parent

HABITS: Mapping[str, str] = {
    r"(?<!there )(is|are) no (?!longer\b|more\b|different\b)\w+": "is not a ...",
    r"beside": "next to, in addition to",
    r"faults?": "error",
    r"repetitions?": "retry",
    r"blanks?": "whitespace, empty",
    r"eras?": "protocol version",
    r"an? person": "the user",
    r"for good": "permanently",
    r"whoever|whosoever": "anyone who",
    r"in place of": "instead of",
    r"at one time": "at once, concurrent",
    r"anew": "again",
    r"(is|are|was|were) none of (this|the|its)": "was not issued by, does not belong to",
    r"not to be had": "not available",
    r"hands? (it|them|yours|variables) on|handed on": "pass on",
    r"is kept to": "is pinned to",
    r"it holds|holds (no|a|an)": "contains",
    r"stands? (around|between|beside|in)": "is",
    r"met an? (fault|error)": "failed",
    r"take out": "remove",
    r"(is|are) asked for": "is requested",
    r"(asks|asked) (it|them|whom)": "requests",
    r"known are": "known:",
    r"not known here": "not supported",
    r"let(s)? in": "add, allow",
}
"""What the project's texts do not say, and what they say instead."""

BRITISH: Mapping[str, str] = {
    r"(colour|behaviour|favour|honour|neighbour|flavour)(s|ed|ing)?": "-or",
    r"licen[c]e(s|d)?": "license",
    r"catalogue(s|d)?": "catalog",
    r"(summari|recogni|normali|seriali|initiali|sani?ti|authori|organi|optimi|minimi|utili|parametri)"
    r"s(e|es|ed|ing|ation)": "-ize",
    r"analys(e|es|ed|ing)(?!is)": "analyze",
    r"(centre|grey|artefact|defence|offence|programme|whilst|amongst)s?": "American spelling",
    r"(label|travel|signal|model)l(ed|ing)": "one l",
}

_RULES = [
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), remedy)
    for pattern, remedy in {**HABITS, **BRITISH}.items()
]
_SENTENCE = re.compile(r"\S+ \S+ \S+")
"""Three words: shorter literals are names and values."""

_CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", re.DOTALL)
"""What is quoted in a document is not its own words."""


class Text(NamedTuple):
    """One text, and where it is."""

    file: Path
    line: int
    text: str


def literals(file: Path) -> Iterator[Text]:
    """The sentences in a module's code."""
    tree = ast.parse(file.read_text())
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and _SENTENCE.search(node.value)
        ):
            yield Text(file, node.lineno, node.value)


def schema_texts(file: Path) -> Iterator[Text]:
    """The titles, descriptions and questions of a schema file."""
    for text in _texts_in(json.loads(file.read_text())):
        yield Text(file, 1, text)


def _texts_in(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for name, held in value.items():
            if name in {"title", "description", "question", "noun"} and isinstance(held, str):
                yield held
            else:
                yield from _texts_in(held)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)


def document_texts(file: Path) -> Iterator[Text]:
    """The lines of a document, without what it quotes."""
    prose = _CODE.sub(lambda quoted: re.sub(r"[^\n]", " ", quoted[0]), file.read_text())
    for number, line in enumerate(prose.splitlines(), start=1):
        yield Text(file, number, line)


def every_text() -> Iterator[Text]:
    """Every text that a person or a model reads."""
    for module in sorted((ROOT / "createos_mcp").rglob("*.py")):
        yield from literals(module)
    for schema in sorted((ROOT / "tool_schemas").rglob("*.json")):
        if not schema.name.endswith(".schema.json"):
            yield from schema_texts(schema)
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for document in sorted([*documents, *(ROOT / "tool_schemas").rglob("*.md")]):
        yield from document_texts(document)


def find_habits(text: str) -> Iterator[tuple[str, str]]:
    """What a text should not say, and what it should."""
    for pattern, remedy in _RULES:
        for found in pattern.finditer(text):
            yield found[0], remedy


def main() -> int:
    """List what is found.

    Returns:
        1 when something is.
    """
    count = 0
    for text in every_text():
        for found, remedy in find_habits(text.text):
            count += 1
            place = f"{text.file.relative_to(ROOT)}:{text.line}"
            sys.stdout.write(f"{place}: {found!r}; write: {remedy}\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
