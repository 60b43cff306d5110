"""The repository host: repositories of users, made and removed, in the store and on disk."""

import re

from anyio import to_thread

from createos_mcp.platform.errors import GitFailedError, InvalidRequestError, NotFoundError
from createos_mcp.platform.git.bare_repositories import BareRepository
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.repositories import Repositories, Repository

MAX_PER_USER = 100
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}(?<!\.git)(?<!\.)")


class RepositoryHost:
    """Makes and removes repositories, whether the platform runs or not."""

    def __init__(self, repositories: Repositories, data_dir: DataDir) -> None:
        self._repositories = repositories
        self._data_dir = data_dir

    async def create(self, user_id: str, name: str) -> Repository:
        """Make a repository without commits.

        Raises:
            InvalidRequestError: The name cannot be one, or git is missing.
            NameTakenError: The user has one of that name.
            LimitReachedError: The user has as many as they may have.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequestError(
                f"{name!r} is not a name for a repository: use 1-64 letters, digits, dots, "
                "underscores or hyphens, without .git at the end."
            )
        repository = await self._repositories.add(user_id=user_id, name=name, limit=MAX_PER_USER)
        try:
            await self.restore(repository)
        except GitFailedError as error:
            await self._repositories.remove(repository.id)
            raise InvalidRequestError(f"The repository cannot be made: {error}.") from error
        return repository

    async def ensure(self, user_id: str, name: str) -> Repository:
        """A user's repository of that name, made if it is not there."""
        return await self._repositories.named(user_id, name) or await self.create(user_id, name)

    async def restore(self, repository: Repository) -> None:
        """Make the files of a repository whose making was interrupted.

        Raises:
            GitFailedError: Git cannot make it.
        """
        bare = self._bare(repository)
        if not (bare.place / "hooks" / "post-receive").exists():
            await to_thread.run_sync(bare.create, repository.default_branch)

    async def remove(self, user_id: str, name: str) -> None:
        """Delete a repository; what was built from it goes on running.

        Raises:
            NotFoundError: The user has none of that name.
        """
        repository = await self._repositories.named(user_id, name)
        if repository is None:
            raise NotFoundError("repository", name)
        await self._repositories.remove(repository.id)
        await to_thread.run_sync(self._bare(repository).remove)

    def _bare(self, repository: Repository) -> BareRepository:
        return BareRepository(self._data_dir.repository(repository.id))
