"""Packing: a directory's or a caller's files as one pack that can be uploaded."""

import base64
import io
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from createos_mcp.contract.errors import InvalidArgumentsError, LocalReadError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.secret_files import MARK_BYTES, is_secret
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

WITHHELD_HINT = (
    "Secrets stay on this machine. Give an app its variables with SetEnvironmentVariables "
    "{envFile}, and a build its tokens with buildVars in the settings."
)

Form: TypeAlias = Literal["files", "zip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """Files to deploy."""

    files: Mapping[str, bytes]
    """By path, `{"src/main.py": b"..."}`."""
    excluded_secrets: tuple[str, ...] = ()
    """Secrets that were not taken along."""
    executables: frozenset[str] = frozenset()
    """Paths of files that can be run; only a zip can say so."""
    dangling: tuple[str, ...] = ()
    """Links that lead nowhere, and were left out."""

    @property
    def form(self) -> Form:
        """How it is uploaded: text one by one, what is binary or more as a zip."""
        needs_zip = len(self.files) > MAX_PLAIN_FILES or self.executables
        return "zip" if needs_zip or any(map(_is_binary, self.files.values())) else "files"

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
                archive.writestr(self._entry(path), held, zipfile.ZIP_DEFLATED)
        if packed.tell() > MAX_ZIP_BYTES:
            raise LocalReadError(
                "directory",
                f"its zip is {packed.tell() / 2**20:.0f} MB, and the limit is 50 MB; "
                "list what the app does not need in .createosignore",
            )
        return base64.b64encode(packed.getvalue()).decode()

    def _entry(self, path: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(path)
        entry.external_attr = (0o755 if path in self.executables else 0o644) << 16
        return entry

    def describe(self) -> Json:
        """How many files there are, and what stayed behind."""
        facts: dict[str, Json] = {"files": len(self.files)}
        if self.excluded_secrets:
            facts["withheld"] = list(self.excluded_secrets[:SHOWN_WITHHELD])
            facts["withheldHint"] = WITHHELD_HINT
        if self.dangling:
            facts["danglingLinks"] = list(self.dangling[:SHOWN_WITHHELD])
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
    return Pack(
        files=files,
        excluded_secrets=tuple(walk.excluded_secrets),
        executables=frozenset(walk.executables),
        dangling=tuple(walk.dangling),
    )


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
        self._within: list[Path] = []
        self.excluded_secrets: list[str] = []
        self.executables: set[str] = set()
        self.dangling: list[str] = []

    def read(self, directory: Path, place: str, outer: IgnoreRules) -> Iterator[tuple[str, bytes]]:
        rules = outer.within(directory, place)
        for entry in sorted(directory.iterdir()):
            is_directory = entry.is_dir()
            path = f"{place}{entry.name}"
            verdict = rules.judge(f"{path}/" if is_directory else path)
            if verdict == "withhold" and not self._is_public(entry, path):
                self.excluded_secrets.append(path)
                continue
            if verdict == "ignore" or self._leads_nowhere(entry, path):
                continue
            self._refuse_strange(entry, path)
            if is_directory:
                yield from self._read_inner(entry, f"{path}/", rules)
                continue
            held = self._read_file(entry, path)
            # A link has another name than what it leads to.
            if is_secret(path, held) or is_secret(entry.resolve().name, held):
                self.excluded_secrets.append(path)
                continue
            if entry.stat().st_mode & stat.S_IXUSR:
                self.executables.add(path)
            yield path, held

    def _read_inner(
        self, directory: Path, place: str, rules: IgnoreRules
    ) -> Iterator[tuple[str, bytes]]:
        """A directory below; a link to one above would have no end."""
        real = directory.resolve()
        if real in self._within or real == self._top:
            reason = f"{place} is a link to a directory that holds it; {_REMEDY}"
            raise LocalReadError("directory", reason)
        self._within.append(real)
        yield from self.read(directory, place, rules)
        self._within.pop()

    def _is_public(self, entry: Path, path: str) -> bool:
        """Whether what has the name of a secret is a certificate or a public key."""
        is_file = entry.is_file() and not entry.is_symlink()
        return is_file and not is_secret(path, entry.read_bytes()[:MARK_BYTES])

    def _leads_nowhere(self, entry: Path, path: str) -> bool:
        if not entry.is_symlink() or entry.exists():
            return False
        self.dangling.append(path)
        return True

    def _refuse_strange(self, entry: Path, path: str) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise LocalReadError("directory", f"more than {MAX_ENTRIES} files; {_REMEDY}")
        if entry.is_symlink():
            if not entry.resolve().is_relative_to(self._top):
                raise LocalReadError(
                    "directory", f"the link {path} points outside of the directory; {_REMEDY}"
                )
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
