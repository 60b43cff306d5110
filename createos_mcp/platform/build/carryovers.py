"""What a build takes over from the one before: installed dependencies, and what compilers keep.

All of it lies in the project's own cache. The sandboxed build copies it there and back by itself,
so that the platform never follows what a tenant has written. Copies and not links, as package
managers make them: what one version changes in place must not change for another.
"""

import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.platform.build.retries import Retry

TAKEN = "Taking over the dependencies of the last build: what describes them is unchanged."

MAX_FILE_BYTES = 32 * 2**20
"""Of a file that tells whether something may be taken over; a lock file is far smaller."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Carryover:
    """Directories that a build may take over, as long as some files are the same."""

    name: str
    """Of its kind, `dependencies`."""
    paths: tuple[str, ...]
    """Where they are in the app; those that are not there are passed over."""
    files: tuple[str, ...] = ()
    """Patterns of what has to be the same, `package-lock.json`; with none all goes."""
    touches_sources: bool = False
    """Whether its tool goes by the times of files, which say nothing here: all count as new."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commands:
    """What installs an app's dependencies."""

    prepare: str | None = None
    """What comes first, and is of no interest in a log."""
    install: str | None
    reinstall: str | None = None
    """In its place where the dependencies are there; by default the same."""
    retry: Retry | None = None
    completion: str | None = None
    """What comes last, and is of no interest in a log."""


def key_of(kept: Carryover, source: Path, conditions: Iterable[str]) -> str | None:
    """What the files and other conditions come to; None where that cannot be told.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for condition in (*conditions, *kept.paths):
        digest.update(condition.encode(errors="surrogateescape") + b"\0")
    root = source.resolve()
    for file in _matching(source, kept.files):
        real = file.resolve()
        if not real.is_relative_to(root) or real.stat().st_size > MAX_FILE_BYTES:
            return None
        digest.update(file.relative_to(source).as_posix().encode(errors="surrogateescape") + b"\0")
        digest.update(hashlib.sha256(real.read_bytes()).digest())
    return digest.hexdigest()[:32]


def keys_of(
    carryovers: Iterable[Carryover | None], source: Path, conditions: Sequence[str]
) -> dict[Carryover, str]:
    """The keys of those that have one; see `key_of`."""
    keys = {kept: key_of(kept, source, conditions) for kept in carryovers if kept is not None}
    return {kept: key for kept, key in keys.items() if key}


def _matching(source: Path, patterns: Sequence[str]) -> list[Path]:
    found = {file for pattern in patterns for file in source.glob(pattern) if file.is_file()}
    return sorted(found)


def place_of(kept: Carryover, key: str, cache: Path) -> Path:
    """Where it lies in the cache of a project."""
    return cache / "kept" / kept.name / key


def install_script(
    commands: Commands,
    kept: Carryover | None = None,
    place: Path | None = None,
    *,
    is_there: bool = False,
) -> str:
    """Installs by the shell, unless the dependencies can be taken over from a place.

    Args:
        commands: What installs; the first that fails ends the script with its exit code.
        kept: What is taken over and kept.
        place: Where it lies; without one nothing is.
        is_there: Whether it has been moved into the app already.
    """
    prepare = f"{commands.prepare} || exit $?" if commands.prepare else ":"
    completion = f"\n{{ {commands.completion}; }} || exit $?" if commands.completion else ""
    install = _run(commands.install, commands.retry) + completion
    if kept is None or place is None:
        return f"{prepare}\n{install}"
    again = _run(commands.reinstall or commands.install, commands.retry) + completion
    return f"""
if {":" if is_there else _take(kept, place)}; then
  printf '%s\\n' {shlex.quote(TAKEN)}
  {again}
else
  {prepare}
  {install}
  {_put(kept, place)}
fi"""


def build_script(
    command: str,
    kept: Carryover | None = None,
    place: Path | None = None,
    preparation: str | None = None,
) -> str:
    """Builds by the shell, with what build tools have kept at a place."""
    run = f"{preparation}\n{_run(command)}" if preparation else _run(command)
    if kept is None or place is None:
        return run
    return f"{_take(kept, place)}\n{run}\n{_put(kept, place)}"


def _run(command: str | None, retry: Retry | None = None) -> str:
    if command is None:
        return ":"
    attempt = _attempt(command)
    if retry is None:
        return f"{attempt} || exit $?"
    again = f"printf '%s\\n' {shlex.quote(retry.said)}; {_attempt(retry.command)} || exit $?"
    return f"{attempt} || {{ code=$?; {retry.condition} || exit $code; {again}; }}"


def _attempt(command: str) -> str:
    shown = shlex.quote(f"$ {command}")
    return f"printf '%s\\n' {shown}; /bin/sh -c {shlex.quote(command)}"


def _take(kept: Carryover, place: Path) -> str:
    """All of it or nothing."""
    touch = _TOUCH if kept.touches_sources else ""
    copy, remove = f"cp -a {_quote(place)}/. .", f"rm -rf -- {shlex.join(kept.paths)}"
    return f"{touch}[ -d {_quote(place)} ] && {{ {copy} || {{ {remove}; false; }}; }}"


_TOUCH = "find . -path ./target -prune -o -type f -exec touch -c {} +\n"


def _put(kept: Carryover, place: Path) -> str:
    """In place of what was kept before; a build is not worse for it if that fails."""
    part, home = _quote(place.with_suffix(".part")), _quote(place.parent)
    return f"""(
    rm -rf {part}
    for path in {shlex.join(kept.paths)}; do
      [ -e "$path" ] || continue
      mkdir -p {part}/"$(dirname "$path")" && cp -a "$path" {part}/"$path" || exit
    done
    [ -d {part} ] || exit
    find {home} -mindepth 1 -maxdepth 1 ! -path {part} -exec rm -rf {{}} +
    mv -T {part} {_quote(place)}
  ) || rm -rf {part}"""


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
