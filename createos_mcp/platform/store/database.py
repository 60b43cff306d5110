"""SQLite behind two threads: one writes, each write a durable transaction, one reads."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeVar

from createos_mcp.platform.errors import StartupError, StorageError

Value: TypeAlias = str | int | None

T = TypeVar("T")

REMEDY = "restore it from a backup, or move it and its -wal and -shm files away to start over"

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)

_SQL = files("createos_mcp.platform.store") / "sql"


def load_queries(schema: str) -> Mapping[str, str]:
    """Every statement of a schema's files, by the name above it.

    Args:
        schema: A folder of `sql/`, `platform` or `traffic`.
    """
    queries: dict[str, str] = {}
    for file in _sql_files(_SQL / schema):
        _, *parts = _HEADING.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in queries:
                raise ValueError(f"{file.name}: there are two statements {name!r}")
            queries[name] = text
    return queries


def load_migrations(schema: str) -> Sequence[str]:
    """The scripts that make a schema, one a version, in the order of their file names."""
    return [file.read_text(encoding="utf-8") for file in _sql_files(_SQL / schema / "migrations")]


def _sql_files(folder: Traversable) -> list[Traversable]:
    found = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    return sorted(found, key=lambda file: file.name)


class Transaction:
    """Named statements on one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def run(self, query: str, **values: Value) -> list[sqlite3.Row]:
        """Execute a statement and return its rows."""
        return self._connection.execute(self._queries[query], values).fetchall()

    def run_each(self, query: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Execute a statement once for each set of values."""
        self._connection.executemany(self._queries[query], rows)


class Database:
    """One database file, open while the platform runs.

    Args:
        path: The file, made if it is not there.
        schema: Folder of `sql/` that holds its migrations and queries.
        synchronous: `FULL`: what was written outlives a loss of power; `NORMAL`: it may be lost.
    """

    def __init__(self, path: Path, schema: str, *, synchronous: str = "FULL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._migrations = load_migrations(schema)
        self._queries = load_queries(schema)
        self._writer = ThreadPoolExecutor(1, "database-writer")
        self._reader = ThreadPoolExecutor(1, "database-reader")
        self._connections: dict[ThreadPoolExecutor, sqlite3.Connection] = {}

    async def read(self, query: str, **values: Value) -> list[sqlite3.Row]:
        """Run one statement that changes nothing.

        Raises:
            StorageError: The file cannot be read.
        """
        with self._told():
            return await self._run(
                self._reader, lambda connection: self._over(connection).run(query, **values)
            )

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run statements as one transaction; what it did is on disk when this returns.

        Raises:
            StorageError: The disk is full or read-only; nothing was changed.
        """
        with self._told():
            return await self._run(self._writer, lambda connection: self._commit(connection, work))

    async def run(self, query: str, **values: Value) -> list[sqlite3.Row]:
        """Run one statement as a transaction of its own, as `write` does."""
        return await self.write(lambda transaction: transaction.run(query, **values))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell a caller what the disk refuses; a statement that does not fit is a fault of ours."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            raise StorageError(self._path, str(error)) from error

    async def open(self) -> None:
        """Open the file, bringing it to the present schema.

        Raises:
            StartupError: The file is damaged or was written by a newer version.
        """
        try:
            for executor in (self._writer, self._reader):
                connection = await self._on(executor, self._connect)
                self._connections[executor] = connection
            await self._run(self._writer, self._migrate)
        except sqlite3.DatabaseError as error:
            reason = f"the database {self._path} cannot be used: {error}"
            raise StartupError(reason, REMEDY) from error

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        for executor, connection in self._connections.items():
            await self._on(executor, connection.close)
        self._writer.shutdown()
        self._reader.shutdown()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            reason = f"the database {self._path} was written by a newer version of createos-mcp"
            raise StartupError(reason)
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    def _over(self, connection: sqlite3.Connection) -> Transaction:
        return Transaction(connection, self._queries)

    def _commit(self, connection: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._over(connection))
            connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    async def _run(
        self, executor: ThreadPoolExecutor, work: Callable[[sqlite3.Connection], T]
    ) -> T:
        connection = self._connections[executor]
        return await self._on(executor, lambda: work(connection))

    async def _on(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(executor, work)
        return await asyncio.shield(future)


@asynccontextmanager
async def open_database(
    path: Path, schema: str, *, synchronous: str = "FULL"
) -> AsyncIterator[Database]:
    """Open a database file for as long as the context lasts; see `Database`.

    Raises:
        StartupError: The file is damaged or was written by a newer version.
    """
    database = Database(path, schema, synchronous=synchronous)
    try:
        await database.open()
        yield database
    finally:
        await database.close()
