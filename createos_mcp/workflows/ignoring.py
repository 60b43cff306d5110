"""Ignoring: which files of a directory are not for a deployment."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pathspec import GitIgnoreSpec

from createos_mcp.contract.ignore_patterns import DIRECTORY_MARK, as_bytes, read_patterns
from createos_mcp.contract.needless_files import DEPENDENCIES, RULE_FILES
from createos_mcp.contract.secret_files import is_secret_name

Verdict: TypeAlias = Literal["take", "ignore", "withhold"]
"""`withhold` is for secrets, which the user is told about."""


class IgnoreRules:
    """The rules that hold in one directory: its own and those above it.

    Args:
        rules: Place of a rule file's directory and its patterns, the outermost first.
    """

    def __init__(self, rules: Sequence[tuple[str, GitIgnoreSpec]] = ()) -> None:
        self._rules = tuple(rules)

    def within(self, directory: Path, place: str) -> "IgnoreRules":
        """The rules in a directory, which `place` calls from the top: `src/`; empty at the top.

        Raises:
            OSError: A rule file cannot be read.
        """
        return IgnoreRules(
            [*self._rules, *((place, spec) for spec in _read_ignore_file(directory))]
        )

    def judge(self, path: str) -> Verdict:
        """What becomes of a path from the top; that of a directory ends with `/`.

        Secrets among the files are told when they are read, by their content, too.
        """
        if is_secret_name(path):
            return "withhold"
        if DEPENDENCIES.match_file(path):
            return "ignore"
        ignored = False
        for place, spec in self._rules:
            said = _last_word(spec, as_bytes(path.removeprefix(place)))
            ignored = ignored if said is None else said
        return "ignore" if ignored else "take"


def _last_word(spec: GitIgnoreSpec, path: str) -> bool | None:
    """Whether the last pattern that matches a path ignores it, as git reads patterns.

    `check_file` judges a path by its directories, too, so that `*` would win over a later `!src`
    for the directory `src/`. Here they were taken before anything in them is judged.
    """
    for pattern in reversed(spec.patterns):
        if pattern.include is not None and pattern.regex and _is_matched(pattern.regex, path):
            return pattern.include
    return None


def _is_matched(regex: re.Pattern[str], path: str) -> bool:
    """Whether a pattern matches the path itself; the mark is where it ends at a directory."""
    name = path.removesuffix("/")
    found = regex.search(name)
    if found and found.groupdict().get(DIRECTORY_MARK) is None:
        return True
    return path != name and any(
        match.groupdict().get(DIRECTORY_MARK) and match.start(DIRECTORY_MARK) == len(name)
        for match in regex.finditer(path)
    )


def _read_ignore_file(directory: Path) -> Iterator[GitIgnoreSpec]:
    for name in RULE_FILES:
        file = directory / name
        if file.is_file() and not file.is_symlink():
            yield read_patterns(file.read_bytes())
