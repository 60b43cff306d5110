"""Ignoring: which files of a directory are not for a deployment."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pathspec import GitIgnoreSpec

from createos_mcp.workflows.secret_files import is_secret_name

Verdict: TypeAlias = Literal["take", "ignore", "withhold"]
"""`withhold` is for secrets, which the user is told about."""

RULE_FILES = (".gitignore", ".createosignore")
"""Read in every directory, the later one wins."""

DEPENDENCIES = GitIgnoreSpec.from_lines(
    (
        ".git", ".hg/", ".svn/", "node_modules/", ".venv/", "venv/", "__pycache__/", "*.pyc",
        ".tox/", ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".next/", ".nuxt/", ".turbo/",
        ".cache/", "target/debug/", "target/release/", ".idea/", ".vscode/", ".DS_Store",
        *RULE_FILES,
    )
)  # fmt: skip
"""What the build makes anew, and what no app needs."""


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
            said = spec.check_file(path.removeprefix(place)).include
            ignored = ignored if said is None else said
        return "ignore" if ignored else "take"


def _read_ignore_file(directory: Path) -> Iterator[GitIgnoreSpec]:
    for name in RULE_FILES:
        file = directory / name
        if file.is_file() and not file.is_symlink():
            text = file.read_text(encoding="utf-8", errors="replace")
            yield GitIgnoreSpec.from_lines(text.splitlines())
