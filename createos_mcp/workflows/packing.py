"""Packing: a directory's or a caller's files as one pack that can be uploaded."""

import base64
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from createos_mcp.contract.errors import InvalidArgumentsError, LocalReadError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Json
from createos_mcp.workflows.ignoring import IgnoreRules

MAX_PLAIN_FILES = 100
"""How many files the API takes one by one."""

# The limit of the platform for one zip.
MAX_ENTRIES = 20_000
MAX_BYTES = 200 * 2**20
"""What a directory may hold; a zip of 50 MB seldom unpacks to more."""

MAX_ZIP_BYTES = 50 * 2**20

SHOWN_WITHHELD = 20

Form: TypeAlias = Literal["files", "zip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """Files to deploy."""

    files: Mapping[str, bytes]
    """By path, `{"src/main.py": b"..."}`."""
    excluded_secrets: tuple[str, ...] = ()
    """Secrets that were not taken along."""

    @property
    def form(self) -> Form:
        """How it is uploaded: text one by one, what is binary or more as a zip."""
        many = len(self.files) > MAX_PLAIN_FILES
        return "zip" if many or any(map(_is_binary, self.files.values())) else "files"

    def as_text(self) -> list[Json]:
        """The files as the API takes text."""
        return [{"path": path, "content": held.decode()} for path, held in self.files.items()]

    def as_zip(self) -> str:
        """The files as a zip in base64.

        Raises:
            LocalReadError: It is larger than the platform takes.
        """
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, held in self.files.items():
                archive.writestr(path, held)
        if packed.tell() > MAX_ZIP_BYTES:
            raise LocalReadError(
                "directory",
                f"its zip is {packed.tell() / 2**20:.0f} MB, and the limit is 50 MB; "
                "list what the app does not need in .createosignore",
            )
        return base64.b64encode(packed.getvalue()).decode()

    def describe(self) -> Json:
        """Count and size, and what stayed behind."""
        facts: dict[str, Json] = {
            "files": len(self.files),
            "bytes": sum(map(len, self.files.values())),
            "sentAs": self.form,
        }
        if self.excluded_secrets:
            facts["withheld"] = list(self.excluded_secrets[:SHOWN_WITHHELD])
        return facts


def pack_directory(top: Path) -> Pack:
    """Read a directory's files without what is ignored, secret, or made by a build.

    Args:
        top: The directory, links followed.

    Raises:
        LocalReadError: It holds nothing or too much, a link leads out of it, or it cannot be read.
    """
    walk = _Walk(top)
    try:
        files = dict(walk.read(top, "", IgnoreRules()))
    except OSError as error:
        raise LocalReadError("directory", f"{error.filename}: {error.strerror}") from error
    if not files:
        raise LocalReadError("directory", f"{top} has no files that are not ignored")
    return Pack(files=files, excluded_secrets=tuple(walk.excluded_secrets))


def pack_files(given: Sequence[Mapping[str, Json]]) -> Pack:
    """The files of a call: text, or bytes in base64.

    Raises:
        InvalidArgumentsError: One is not base64 though it says so.
    """
    return Pack(files={row["path"]: _content(i, row) for i, row in enumerate(given)})


class _Walk:
    """The way through one directory."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._entries = 0
        self._bytes = 0
        self.excluded_secrets: list[str] = []

    def read(self, directory: Path, place: str, outer: IgnoreRules) -> Iterator[tuple[str, bytes]]:
        rules = outer.within(directory, place)
        for entry in sorted(directory.iterdir()):
            is_directory = entry.is_dir()
            path = f"{place}{entry.name}"
            verdict = rules.judge(f"{path}/" if is_directory else path)
            if verdict == "withhold":
                self.excluded_secrets.append(path)
            if verdict != "take":
                continue
            self._refuse_strange(entry, path)
            if is_directory:
                yield from self.read(entry, f"{path}/", rules)
            else:
                yield path, self._read_file(entry, path)

    def _refuse_strange(self, entry: Path, path: str) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise LocalReadError("directory", f"more than {MAX_ENTRIES} files; {_REMEDY}")
        if entry.is_symlink():
            if not entry.resolve().is_relative_to(self._top):
                raise LocalReadError(
                    "directory", f"the link {path} points outside of the directory; {_REMEDY}"
                )
            if entry.is_dir():
                reason = f"{path} is a link to a directory; {_REMEDY}"
                raise LocalReadError("directory", reason)
        elif not entry.is_dir() and not entry.is_file():
            raise LocalReadError("directory", f"{path} is not a regular file; {_REMEDY}")

    def _read_file(self, file: Path, path: str) -> bytes:
        self._bytes += file.stat().st_size
        if self._bytes > MAX_BYTES:
            limit = MAX_BYTES // 2**20
            raise LocalReadError("directory", f"more than {limit} MB up to {path}; {_REMEDY}")
        return file.read_bytes()


_REMEDY = "list what the app does not need in .createosignore"


def _is_binary(held: bytes) -> bool:
    try:
        return "\0" in held.decode()
    except UnicodeDecodeError:
        return True


def _content(index: int, row: Mapping[str, Json]) -> bytes:
    content: str = row["content"]
    if not row.get("base64"):
        return content.encode(errors="replace")
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except ValueError as error:
        path = f"files[{index}].content"
        raise InvalidArgumentsError([Problem(path=path, message=f"not base64: {error}")]) from error
