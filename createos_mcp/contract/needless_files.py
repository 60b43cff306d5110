"""Needless files: what a folder holds and a deployment does not need."""

from pathspec import GitIgnoreSpec

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
