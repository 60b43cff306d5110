"""Mirrors: repositories of GitHub, followed here so that their commits are built like pushes."""

import base64
import logging
from collections import defaultdict
from functools import partial

import anyio
import httpx2
from anyio import to_thread

from createos_mcp.platform.deploy.commits import Commits
from createos_mcp.platform.deploy.github_accounts import GitHubAccounts
from createos_mcp.platform.deploy.pushes import Pushes
from createos_mcp.platform.errors import (
    GitFailedError,
    GitHubError,
    NotFoundError,
    PlatformError,
    Refusal,
)
from createos_mcp.platform.models import Project, User
from createos_mcp.platform.store.repositories import Repository
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)


class Mirrors:
    """Makes and updates mirrors; each look at GitHub is one fetch of the branches."""

    def __init__(
        self,
        *,
        store: Store,
        commits: Commits,
        pushes: Pushes,
        accounts: GitHubAccounts,
        interval_s: float,
    ) -> None:
        self._store = store
        self._commits = commits
        self._pushes = pushes
        self._accounts = accounts
        self._locks: defaultdict[int, anyio.Lock] = defaultdict(anyio.Lock)
        self._interval_s = interval_s

    async def follow(self, user: User, installation_id: str, remote_id: str) -> Repository:
        """The mirror of a repository, made if there is none.

        Raises:
            NotFoundError: The account is not connected, or shows no such repository.
            GitHubError: GitHub does not answer.
        """
        account = await self._accounts.find(user.id, installation_id)
        try:
            shown = await (await self._accounts.github(account)).repository(remote_id)
        except GitHubError as error:
            if error.answered == httpx2.codes.NOT_FOUND:
                raise NotFoundError("repository", remote_id) from error
            raise
        repository = await self._store.repositories.follow(
            user_id=user.id,
            installation_id=account.installation_id,
            remote_id=remote_id,
            remote_name=str(shown["full_name"]),
            default_branch=str(shown["default_branch"]),
        )
        bare = self._commits.bare(repository)
        if not bare.place.is_dir():
            await to_thread.run_sync(bare.create, repository.default_branch)
        return repository

    async def refresh(self, project: Project) -> None:
        """Look at GitHub for a project's repository, if it is one of GitHub's.

        Raises:
            GitFailedError: It cannot be fetched.
        """
        repository = await self._commits.repository_of(project)
        if repository.remote_id is not None:
            await self._fetch(repository)

    async def run(self) -> None:
        """Follow every mirror that a project is built from, for as long as the platform lives."""
        while True:
            await anyio.sleep(self._interval_s)
            for repository in await self._store.repositories.all():
                await self.look(repository)

    async def begin(self, project: Project) -> None:
        """Build what a new project's repository on GitHub has now, and not only what comes."""
        repository = await self._commits.repository_of(project)
        await self.look(repository)

    async def look(self, repository: Repository) -> None:
        """Find out whether GitHub has moved a branch that a project is built from."""
        if repository.remote_id is None:
            return
        try:
            if await self._pushes.projects(repository):
                await self._fetch(repository)
                await self._pushes.look(repository)
        except PlatformError as error:
            logger.warning("%s cannot be followed: %s", repository.remote_name, error)

    async def look_at_remote(self, remote_id: str) -> None:
        """The same for every mirror of a repository, whoever follows it."""
        for repository in await self._store.repositories.all():
            if repository.remote_id == remote_id:
                await self.look(repository)

    async def _fetch(self, repository: Repository) -> None:
        account = await self._store.git_accounts.find(
            repository.user_id, str(repository.installation_id)
        )
        if account is None:
            raise GitFailedError("its GitHub account is not connected any more")
        try:
            token = await self._accounts.token(account)
        except Refusal as error:
            raise GitFailedError(str(error).rstrip(".")) from error
        url = f"{account.git_url.rstrip('/')}/{repository.remote_name}.git"
        word = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        bare = self._commits.bare(repository)
        async with self._locks[repository.id]:
            await to_thread.run_sync(
                partial(bare.fetch, url, header=f"Authorization: Basic {word}")
            )
