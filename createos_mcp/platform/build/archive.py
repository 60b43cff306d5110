"""Writes uploaded files to disk, and refuses every archive that is not what it seems."""

import base64
import binascii
import io
import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import InvalidRequestError

# The limit that the API documents for uploads by text and base64.
MAX_FILES = 100
MAX_ZIP_BYTES = 50 * 2**20
# More entries than any source tree has; unpacking stays within seconds.
MAX_ZIP_ENTRIES = 20_000
MAX_UNPACKED_BYTES = 500 * 2**20
MAX_RATIO = 200
"""Unpacked to packed size above which an entry of more than `RATIO_FROM_BYTES` is a bomb."""
RATIO_FROM_BYTES = 2**20
MAX_PATH_BYTES = 1024
# NAME_MAX of Linux: https://man7.org/linux/man-pages/man3/realpath.3.html
MAX_SEGMENT_BYTES = 255
CHUNK_BYTES = 2**18
# With more files one sync of the file system is faster than one for each.
SYNC_ONE_BY_ONE = 200

# Bit 0 of the general purpose flag, section 4.4.4 of
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
_ENCRYPTED = 0x1

_UNREADABLE = (
    *(zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError),
    # What zipfile lets through where names, sizes and extra fields contradict each other.
    *(struct.error, IndexError, OverflowError, ValueError),
)
_PLAIN_KINDS = frozenset({0, stat.S_IFREG, stat.S_IFDIR})


class UploadRefusedError(InvalidRequestError):
    """An upload that is not taken; nothing of it was written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path!r}: {reason}" if path else reason)


def write_text_files(files: Iterable[Mapping[str, Json]], target: Path) -> None:
    """Write `[{"path": "src/index.js", "content": "..."}]` below a directory made for it.

    Raises:
        UploadRefusedError: A path leaves the directory, comes twice or cannot be a file's name.
    """
    _write_files([(file["path"], file["content"].encode()) for file in files], target)


def write_base64_files(files: Iterable[Mapping[str, Json]], target: Path) -> None:
    """Write `[{"path": "logo.png", "content": "iVBORw0..."}]`; like `write_text_files`."""
    _write_files([(file["path"], _decode(file)) for file in files], target)


def unpack_zip(content: bytes, target: Path) -> None:
    """Unpack a zip below a directory made for it.

    One folder that holds everything is taken for the archive's wrapping and left out.

    Raises:
        UploadRefusedError: It is no zip, too large, or an entry is not acceptable.
    """
    if len(content) > MAX_ZIP_BYTES:
        raise UploadRefusedError("", f"the zip is larger than {MAX_ZIP_BYTES // 2**20} MB")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, _written_at_once(target) as draft:
            _unpack(archive, draft)
            _drop_wrapping_folder(draft)
    except _UNREADABLE as error:
        raise UploadRefusedError("", f"the file is not a zip that can be read: {error}") from error


def pack_zip(source: Path) -> bytes:
    """The files of a directory as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(source.rglob("*")):
            if file.is_file() and not file.is_symlink():
                archive.write(file, file.relative_to(source).as_posix())
    return packed.getvalue()


def _write_files(files: list[tuple[str, bytes]], target: Path) -> None:
    if not files:
        raise UploadRefusedError("", "files is empty; an app needs at least one file")
    if len(files) > MAX_FILES:
        raise UploadRefusedError("", f"more than {MAX_FILES} files; upload them as a zip")
    paths = _check_paths(path for path, _ in files)
    with _written_at_once(target) as draft:
        for path, (_, content) in zip(paths, files, strict=True):
            with _create_file(draft, path) as file:
                file.write(content)


def _decode(file: Mapping[str, Json]) -> bytes:
    try:
        return base64.b64decode("".join(file["content"].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UploadRefusedError(file["path"], f"content is not base64: {error}") from error


def _unpack(archive: zipfile.ZipFile, draft: Path) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ZIP_ENTRIES:
        raise UploadRefusedError("", f"the zip has more than {MAX_ZIP_ENTRIES} entries")
    for entry in entries:
        _check_kind(entry)
    files = [entry for entry in entries if not entry.is_dir()]
    if not files:
        raise UploadRefusedError("", "the zip has no files")
    budget = MAX_UNPACKED_BYTES
    for path, entry in zip(_check_paths(entry.filename for entry in files), files, strict=True):
        with archive.open(entry) as packed, _create_file(draft, path) as file:
            budget -= _copy_entry(packed, file, entry, budget)
        if entry.external_attr >> 16 & stat.S_IXUSR:
            (draft / path).chmod(0o755)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise UploadRefusedError(entry.filename, "encrypted; create the zip without a password")
    if stat.S_IFMT(entry.external_attr >> 16) not in _PLAIN_KINDS:
        raise UploadRefusedError(entry.filename, "a link or device; add the file itself")


def _copy_entry(packed: IO[bytes], file: IO[bytes], entry: zipfile.ZipInfo, budget: int) -> int:
    """Copy one entry, counting what really comes out of it and not what its header says."""
    size = 0
    most = max(entry.compress_size * MAX_RATIO, RATIO_FROM_BYTES)
    while chunk := _read_chunk(packed, entry):
        size += len(chunk)
        if size > budget:
            limit = MAX_UNPACKED_BYTES // 2**20
            raise UploadRefusedError(entry.filename, f"the zip unpacks to more than {limit} MB")
        if size > most:
            raise UploadRefusedError(
                entry.filename, f"unpacks to more than {MAX_RATIO} times its size"
            )
        file.write(chunk)
    return size


def _read_chunk(packed: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    try:
        return packed.read(CHUNK_BYTES)
    except OSError as error:
        # bz2 has no error of its own; what comes from the disk is told apart by this.
        raise UploadRefusedError(entry.filename, f"its data is damaged: {error}") from error


def _check_paths(paths: Iterable[str]) -> list[PurePosixPath]:
    """The paths, once none of them can meet another, also where case does not count."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    checked = []
    for text in paths:
        path = _check_entry_path(text)
        for folder in path.parents[:-1]:
            key = folder.as_posix().casefold()
            if key in files or folders.setdefault(key, folder.as_posix()) != folder.as_posix():
                raise UploadRefusedError(text, _meets(files.get(key) or folders[key]))
        key = text.casefold()
        if key in files or key in folders:
            raise UploadRefusedError(text, _meets(files.get(key) or folders[key]))
        files[key] = text
        checked.append(path)
    return checked


def _meets(other: str) -> str:
    return f"conflicts with {other!r} on a case-insensitive file system"


def _check_entry_path(text: str) -> PurePosixPath:
    if not text.strip():
        raise UploadRefusedError(text, "the path is empty")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in text):
        raise UploadRefusedError(text, "the path contains a control character")
    if "\\" in text or text.startswith("/") or text[1:2] == ":":
        raise UploadRefusedError(text, "the path must be relative, with / between folders")
    segments = text.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise UploadRefusedError(text, "the path must not contain empty segments, '.' or '..'")
    try:
        sizes = [len(segment.encode()) for segment in segments]
    except UnicodeEncodeError as error:
        raise UploadRefusedError(ascii(text), "the path is not valid text") from error
    if max(sizes) > MAX_SEGMENT_BYTES or sum(sizes) + len(sizes) > MAX_PATH_BYTES:
        raise UploadRefusedError(text, "the path is too long")
    return PurePosixPath(text)


@contextmanager
def _written_at_once(target: Path) -> Iterator[Path]:
    """A draft directory that becomes the target when all is well, and vanishes otherwise."""
    draft = target.with_name(f"{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        _sync(draft)
        draft.rename(target)
        _sync_one(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _create_file(draft: Path, path: PurePosixPath) -> IO[bytes]:
    file = draft / path
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("xb")


def _drop_wrapping_folder(draft: Path) -> None:
    """Leave out folders that hold nothing but one other folder."""
    only = list(draft.iterdir())
    if len(only) == 1 and only[0].is_dir():
        wrapping = only[0].rename(draft.with_name(f"{draft.name}.wrapping"))
        draft.rmdir()
        wrapping.rename(draft)


def _sync(directory: Path) -> None:
    """Bring the files to disk; many at once are cheaper by the system's own call for all."""
    paths = [directory, *directory.rglob("*")]
    if len(paths) > SYNC_ONE_BY_ONE:
        os.sync()
        return
    for path in paths:
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
