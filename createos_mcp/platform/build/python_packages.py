"""Packages of Python apps: which files name them, and how they are installed."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import read_text, read_toml_manifest, section, word
from createos_mcp.platform.build.python_programs import find_self_described

SETUPTOOLS = (
    "set -- .venv/lib/python*/site-packages"
    """; [ -d "$1/pkg_resources" ] || ! grep -qsE '^ *(import|from) pkg_resources' "$1"/*/*.py"""
    " || uv pip install --quiet 'setuptools<81'"
)
"""For packages from when every environment had `pkg_resources`. Virtual ones of Python 3.12 come
without, and newer releases too: https://setuptools.pypa.io/en/latest/history.html#v82-0-0."""

SERVER = (
    "[ -e .venv/bin/uvicorn ]"
    " || { echo 'Adding uvicorn, which serves the app here.'; uv pip install uvicorn; }"
)
"""For apps that other hosts bring a server for."""


_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)


def requirements_of(source: Path) -> str:
    """Everything that is required, as one text to search, without comments."""
    files = ("requirements.txt", "pyproject.toml", "Pipfile", "requirements/production.txt")
    text = "\n".join(read_text(source / name) for name in files)
    return _COMMENT.sub("", text).lower()


def install_python(source: Path) -> str | None:
    """By the files that are there, the most exact first."""
    pyproject = read_toml_manifest(source / "pyproject.toml")
    ways: tuple[tuple[bool, Callable[[], str | None]], ...] = (
        ((source / "uv.lock").is_file(), lambda: _by_uv(pyproject)),
        ((source / "requirements.txt").is_file(), lambda: _by_requirements(source)),
        ((source / "poetry.lock").is_file(), lambda: POETRY_LOCKED),
        (bool(section(pyproject, "tool", "poetry")), lambda: POETRY_INSTALL),
        ((source / "Pipfile.lock").is_file(), lambda: PIPENV_LOCKED),
        ((source / "Pipfile").is_file(), lambda: PIPENV_INSTALL),
        (bool(pyproject), lambda: _by_pyproject(pyproject)),
    )
    return next((way() for is_there, way in ways if is_there), None)


def install_of_program(source: Path) -> str | None:
    """By a program that lists its packages itself."""
    found = find_self_described(source)
    if found is None or not isinstance(found[1].get("dependencies"), list):
        return None
    return f"uv pip install -r {shlex.quote(found[0])}"


POETRY_INSTALL = "uv tool run poetry install --no-root --only main --no-interaction"
POETRY_LOCKED = (
    "uv tool run --with poetry-plugin-export poetry export --only main --format requirements.txt"
    ' --output "$TMPDIR/requirements.txt" && uv pip install -r "$TMPDIR/requirements.txt"'
)
PIPENV_INSTALL = "uv tool run pipenv install --skip-lock"
PIPENV_LOCKED = (
    "uv tool run pipenv requirements | grep -v '^-i ' >\"$TMPDIR/requirements.txt\""
    ' && uv pip install -r "$TMPDIR/requirements.txt"'
)
"""What is locked is installed by uv, which takes the registry that builds are told of."""


LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock")

DESCRIBING = (
    *(*LOCKS, "requirements*.txt", "constraints*.txt", "requirements/*.txt", "pyproject.toml"),
    *("Pipfile", "setup.py", "setup.cfg", "uv.toml"),
)
"""What decides which packages are installed."""

_PINNED = re.compile(r"\s*(#.*|--?(hash|r|c|requirement|constraint)\b.*|[^@]+==[^*]+|)\\?")


def is_locked(source: Path) -> bool:
    """Whether the same packages are installed each time."""
    if any((source / lock).is_file() for lock in LOCKS):
        return True
    files = [*source.glob("requirements*.txt"), *source.glob("requirements/*.txt")]
    lines = [line for file in files for line in read_text(file).splitlines()]
    return bool(lines) and all(_PINNED.fullmatch(line) for line in lines)


def _by_uv(pyproject: Mapping[str, Json]) -> str:
    project = "" if _is_package(pyproject) else " --no-install-project"
    return f"uv sync --frozen --no-dev{project} --python .venv/bin/python"


def _by_requirements(source: Path) -> str | None:
    lines = read_text(source / "requirements.txt").splitlines()
    needed = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
    return "uv pip install -r requirements.txt" if needed else None


def _by_pyproject(pyproject: Mapping[str, Json]) -> str | None:
    if _is_package(pyproject):
        return "uv pip install ."
    project = section(pyproject, "project")
    wanted = project.get("dependencies")
    if not isinstance(wanted, list) or not wanted:
        return None
    if word(project, "name") is None:  # uv reads no project without one
        return f"uv pip install {shlex.join(filter(_is_word, wanted))}"
    return "uv pip install -r pyproject.toml"


def _is_word(value: Json) -> bool:
    return isinstance(value, str) and word({"": value}, "") is not None


def _is_package(pyproject: Mapping[str, Json]) -> bool:
    """Whether the project itself can be installed; a flat folder of files cannot."""
    return (
        bool(section(pyproject, "build-system"))
        or word(section(pyproject, "tool", "uv"), "package") is not None
    )
