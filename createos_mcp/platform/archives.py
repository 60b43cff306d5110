"""Archives: everything that a platform keeps, in one encrypted file, and back on another machine.

The archive is a tar in age's format (https://age-encryption.org/v1): `age -d` opens it, too.
"""

import contextlib
import os
import sqlite3
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import pyrage

from createos_mcp.platform.errors import ArchiveError
from createos_mcp.platform.paths import RESTORED, DataDir

DATABASE = "platform.db"
KEPT = ("key", "sealing.key", "sources", "repositories", "templates", "volumes")
"""What is archived besides the database and the backups of services; the rest is made again."""

OF_SERVICES = ("backups", "users.acl")
"""What is archived of a service's directory."""


def new_identity(file: Path) -> str:
    """Make a key that opens archives, in a file for its owner alone; its public half.

    Raises:
        ArchiveError: The file is there, or cannot be written.
    """
    identity = pyrage.x25519.Identity.generate()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ArchiveError(f"{file} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{identity}\n")
    return str(identity.to_public())


def write_archive(data_dir: DataDir, file: Path, recipient: str) -> None:
    """Write what a data directory holds; the platform may run meanwhile.

    Raises:
        ArchiveError: The recipient is not an age key, or the file cannot be written.
    """
    try:
        key = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        raise ArchiveError(f"{recipient!r} is not a public age key: {error}") from error
    draft = file.with_name(f"{file.name}.part")
    try:
        with draft.open("wb") as target, _packing(data_dir) as source:
            pyrage.encrypt_io(source, target, [key])
        draft.replace(file)
    except OSError as error:
        raise ArchiveError(f"{file} cannot be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _packing(data_dir: DataDir) -> Iterator[IO[bytes]]:
    """The tar as a stream, made while it is read."""
    read_end, write_end = os.pipe()
    faults: list[Exception] = []

    def pack() -> None:
        try:
            with os.fdopen(write_end, "wb") as sink:
                _pack(data_dir, sink)
        except (OSError, sqlite3.Error, tarfile.TarError) as error:
            faults.append(error)

    thread = threading.Thread(target=pack)
    thread.start()
    with os.fdopen(read_end, "rb") as source:
        yield source
    thread.join()
    if faults:
        raise ArchiveError(f"{data_dir.root} cannot be read: {faults[0]}") from faults[0]


def _pack(data_dir: DataDir, sink: IO[bytes]) -> None:
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        with tempfile.TemporaryDirectory(dir=data_dir.root, prefix="archive-") as place:
            copy = Path(place, DATABASE)
            with (
                contextlib.closing(sqlite3.connect(data_dir.database)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            archive.add(copy, DATABASE)
        for name in KEPT:
            if (data_dir.root / name).exists():
                archive.add(data_dir.root / name, name)
        for service in sorted((data_dir.root / "services").glob("*")):
            for name in OF_SERVICES:
                if (service / name).exists():
                    archive.add(service / name, f"services/{service.name}/{name}")


def read_archive(file: Path, identity_file: Path, data_dir: DataDir) -> int:
    """Bring back what an archive holds; how many services come back from their newest backup.

    Raises:
        ArchiveError: The directory is in use, or the archive cannot be opened with that key.
    """
    if data_dir.database.exists():
        raise ArchiveError(f"{data_dir.root} contains a platform; choose another CREATEOS_DATA_DIR")
    try:
        lines = identity_file.read_text().splitlines()
        key = next(line for line in lines if line.startswith("AGE-SECRET-KEY-"))
        identity = pyrage.x25519.Identity.from_str(key)
    except (OSError, StopIteration, pyrage.IdentityError) as error:
        raise ArchiveError(f"{identity_file} has no age key") from error
    data_dir.create()
    try:
        with tempfile.TemporaryFile(dir=data_dir.root) as packed:
            with file.open("rb") as source:
                pyrage.decrypt_io(source, packed, [identity])
            packed.seek(0)
            with tarfile.open(fileobj=packed, mode="r|") as archive:
                # Whose a file is stays; Python before 3.11.4 has no filters, and from 3.14 on one.
                archive.extraction_filter = _as_it_was
                for member in archive:
                    _check(member)
                    archive.extract(member, data_dir.root, numeric_owner=True)
    except (OSError, tarfile.TarError, pyrage.DecryptError) as error:
        raise ArchiveError(f"{file} cannot be opened with that key: {error}") from error
    return sum(_choose_backup(place) for place in (data_dir.root / "services").glob("*"))


def _as_it_was(member: tarfile.TarInfo, _place: str) -> tarfile.TarInfo:
    return member


def _check(member: tarfile.TarInfo) -> None:
    """Return if a member lies inside, and is a file, a directory or a link.

    Raises:
        TarError: It does not, or is not: this archive was not written here.
    """
    path = PurePosixPath(member.name)
    is_kind = member.isfile() or member.isdir() or member.issym() or member.islnk()
    if path.is_absolute() or ".." in path.parts or not is_kind:
        raise tarfile.TarError(f"{member.name!r} is not a part of a platform")


def _choose_backup(service: Path) -> bool:
    """Name the newest backup as what the data is made of."""
    backups = sorted((service / "backups").glob("[!.]*"), key=lambda place: place.stat().st_mtime)
    if not backups:
        return False
    (service / RESTORED).write_text(backups[-1].name)
    (service / RESTORED).chmod(0o644)
    return True
