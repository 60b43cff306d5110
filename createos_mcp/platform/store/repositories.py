"""Git repositories of this machine: what is stored of them, and of the branches last seen."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypeVar

from createos_mcp.platform.errors import LimitReachedError, NameTakenError
from createos_mcp.platform.models import Project
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import project_of
from createos_mcp.platform.timestamps import format_time

DEFAULT_BRANCH = "main"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A bare repository of a user."""

    id: int
    user_id: str
    owner: str
    """The user's name, the first part of the address."""
    name: str
    default_branch: str
    installation_id: int | None = None
    """The account on GitHub whose repository this one follows."""
    remote_id: str | None = None
    remote_name: str | None = None

    @property
    def full_name(self) -> str:
        """`owner/name`, there if it follows another."""
        return self.remote_name or f"{self.owner}/{self.name}"


class Repositories:
    """Reads and durable writes of repositories."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, *, user_id: str, name: str, limit: int) -> Repository:
        """Store a repository without commits.

        Raises:
            NameTakenError: The user has one of that name, upper and lower case alike.
            LimitReachedError: The user has `limit` of them.
        """

        def insert(transaction: Transaction) -> int:
            if transaction.run("repository_named", user_id=user_id, name=name):
                raise NameTakenError("repository", name)
            if len(transaction.run("repositories_of", user_id=user_id)) >= limit:
                raise LimitReachedError("repositories", limit)
            (row,) = transaction.run(
                "add_repository",
                user_id=user_id,
                name=name,
                default_branch=DEFAULT_BRANCH,
                created_at=format_time(self._now()),
            )
            return int(row["id"])

        repository = await self.get(await self._database.write(insert))
        if repository is None:
            raise LookupError(name)
        return repository

    async def get(self, repository_id: int) -> Repository | None:
        """One repository, whoever owns it."""
        return await self._one("repository", id=repository_id)

    async def named(self, user_id: str, name: str) -> Repository | None:
        """A user's repository of that name."""
        return await self._one("repository_named", user_id=user_id, name=name)

    async def follow(
        self,
        *,
        user_id: str,
        installation_id: int,
        remote_id: str,
        remote_name: str,
        default_branch: str,
    ) -> Repository:
        """A user's repository that follows one of GitHub's, stored if there is none."""
        await self._database.run(
            "follow_repository",
            user_id=user_id,
            # No name of a repository here has a slash.
            name=f"{installation_id}/{remote_id}",
            default_branch=default_branch,
            created_at=format_time(self._now()),
            installation_id=installation_id,
            remote_id=remote_id,
            remote_name=remote_name,
        )
        found = await self.following(user_id, str(installation_id), remote_id)
        if found is None:
            raise LookupError(remote_name)
        return found

    async def following(
        self, user_id: str, installation_id: str, remote_id: str
    ) -> Repository | None:
        """A user's repository that follows that one of GitHub's."""
        if not installation_id.isdecimal():
            return None
        return await self._one(
            "repository_following",
            user_id=user_id,
            installation_id=int(installation_id),
            remote_id=remote_id,
        )

    async def of(self, user_id: str) -> list[Repository]:
        """A user's repositories by name."""
        return [_read(row) for row in await self._database.read("repositories_of", user_id=user_id)]

    async def all(self) -> list[Repository]:
        """Everybody's."""
        return [_read(row) for row in await self._database.read("all_repositories")]

    async def set_default_branch(self, repository_id: int, name: str) -> None:
        """Record which branch is meant where none is named."""
        await self._database.run("set_default_branch", id=repository_id, default_branch=name)

    async def remove(self, repository_id: int) -> None:
        """Forget a repository."""
        await self._database.run("remove_repository", id=repository_id)

    async def branches(self, repository_id: int) -> Mapping[str, str]:
        """Name to commit of the branches that were looked at last."""
        rows = await self._database.read("branches_of", repository_id=repository_id)
        return {row["name"]: row["sha"] for row in rows}

    async def record(
        self, repository_id: int, branch: str, sha: str | None, also: Callable[[Transaction], T]
    ) -> T | None:
        """Record where a branch is now, and what follows from it, in one step.

        Args:
            repository_id: Its repository.
            branch: Name.
            sha: Its commit; None when it was deleted.
            also: Writes what follows.

        Returns:
            What `also` returned; None where the branch was recorded there before.
        """

        def write(transaction: Transaction) -> T | None:
            rows = transaction.run("branches_of", repository_id=repository_id)
            if {row["name"]: row["sha"] for row in rows}.get(branch) == sha:
                return None
            if sha is None:
                transaction.run("remove_branch", repository_id=repository_id, name=branch)
            else:
                transaction.run("set_branch", repository_id=repository_id, name=branch, sha=sha)
            return also(transaction)

        return await self._database.write(write)

    async def projects(self, repository: Repository, local_installation: str) -> list[Project]:
        """The owner's active projects that are built from a repository."""
        rows = await self._database.read(
            "projects_of_repository",
            user_id=repository.user_id,
            installation_id=(
                local_installation
                if repository.remote_id is None
                else str(repository.installation_id)
            ),
            repository_id=repository.remote_id or str(repository.id),
        )
        return [project_of(row) for row in rows]

    async def _one(self, query: str, **values: str | int) -> Repository | None:
        rows = await self._database.read(query, **values)
        return _read(rows[0]) if rows else None


def _read(row: sqlite3.Row) -> Repository:
    return Repository(**{field.name: row[field.name] for field in fields(Repository)})
