"""Build contexts: the files of an app as a tar, without what `.dockerignore` leaves out."""

import io
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO

from pathspec import PathSpec
from pathspec.pattern import Pattern

from createos_mcp.platform.build.detection import CONTAINER_FILES

_IGNORE_FILE = ".dockerignore"
_IN_MEMORY_BYTES = 8 * 2**20
_OF_FILES, _OF_PROGRAMS = 0o644, 0o755


def find_dockerfile(directory: Path) -> str | None:
    """The name of a directory's Dockerfile; a link is none."""
    found = (name for name in CONTAINER_FILES if (directory / name).is_file())
    return next((name for name in found if not (directory / name).is_symlink()), None)


def pack_context(
    directory: Path,
    dockerfile: str | None,
    *,
    added: Mapping[str, bytes] = MappingProxyType({}),
) -> IO[bytes]:
    """The files as a tar at its beginning, which is closed by who reads it.

    Links stay links; nothing outside the directory is read.

    Args:
        directory: Holds the files.
        dockerfile: The one of them that is built; without one `.dockerignore` leaves out nothing.
        added: Files that are put beside them.
    """
    ignored = _read_patterns(directory, dockerfile) if dockerfile else PathSpec([])
    kept = {dockerfile, _IGNORE_FILE, f"{dockerfile}{_IGNORE_FILE}"}
    packed = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the reader closes it
    # BuildKit takes the extended headers of the default format for a Dockerfile.
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in _walk(directory):
            name = path.relative_to(directory).as_posix()
            if name not in kept and _is_ignored(ignored, name):
                continue
            entry = archive.gettarinfo(path, name)
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            entry.mode = _mode_of(entry)
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            elif entry.isdir() or entry.issym():
                archive.addfile(entry)
        for name, content in added.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _OF_FILES
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _mode_of(entry: tarfile.TarInfo) -> int:
    """As a checkout of git has it: here they are the platform's alone, there they are anybody's."""
    return _OF_PROGRAMS if entry.isdir() or entry.mode & stat.S_IXUSR else _OF_FILES


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _read_patterns(directory: Path, dockerfile: str) -> "PathSpec[Pattern]":
    """What is left out: rooted patterns, of which the last that matches counts.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    for name in (f"{dockerfile}{_IGNORE_FILE}", _IGNORE_FILE):
        file = directory / name
        if file.is_file() and not file.is_symlink():
            text = file.read_bytes().decode("utf-8-sig", errors="replace")
            return PathSpec.from_lines("gitignore", filter(None, map(_rooted, text.split("\n"))))
    return PathSpec([])


def _is_ignored(spec: "PathSpec[Pattern]", name: str) -> bool:
    """Whether the last pattern that matches a path, or a directory above it, leaves it out."""
    parts = PurePosixPath(name).parts
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for pattern in reversed(spec.patterns):
        if any(pattern.match_file(place) for place in above):
            return bool(pattern.include)
    return False


def _rooted(line: str) -> str:
    """A pattern of Docker's as one of git's that begins at the top; empty for none."""
    text = line.strip()
    if not text or text.startswith("#"):
        return ""
    again = "!" if text.startswith("!") else ""
    path = PurePosixPath("/", text.removeprefix("!").strip())
    parts = [part for part in path.parts[1:] if part != "."]
    return f"{again}/{'/'.join(parts)}" if parts and ".." not in parts else ""
