"""Mirrors: repositories of GitHub, followed here so that their commits are built like pushes."""

import base64
import logging
from functools import partial

import anyio
import httpx2
from anyio import to_thread

from createos_mcp.platform.deploy.commits import Commits
from createos_mcp.platform.deploy.pushes import Pushes
from createos_mcp.platform.errors import GitFailedError, GitHubError, NotFoundError, PlatformError
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.models import Project, User
from createos_mcp.platform.store.git_accounts import GitAccount
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
        client: httpx2.AsyncClient,
        interval_s: float,
    ) -> None:
        self._store = store
        self._commits = commits
        self._pushes = pushes
        self._client = client
        self._interval_s = interval_s

    def github(self, account: GitAccount) -> GitHub:
        """What answers for an account."""
        return GitHub(self._client, account.api_url, account.token)

    async def account(self, user_id: str, installation_id: str) -> GitAccount:
        """A user's account.

        Raises:
            NotFoundError: The user has connected none of that number.
        """
        found = await self._store.git_accounts.find(user_id, installation_id)
        if found is None:
            raise NotFoundError("GitHub installation", installation_id)
        return found

    async def follow(self, user: User, installation_id: str, remote_id: str) -> Repository:
        """The mirror of a repository, made if there is none.

        Raises:
            NotFoundError: The account is not connected, or shows no such repository.
            GitHubError: GitHub does not answer.
        """
        account = await self.account(user.id, installation_id)
        try:
            shown = await self.github(account).repository(remote_id)
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
                if repository.remote_id is None:
                    continue
                try:
                    if await self._pushes.projects(repository):
                        await self._fetch(repository)
                        await self._pushes.look(repository)
                except PlatformError as error:
                    logger.warning("%s cannot be followed: %s", repository.remote_name, error)

    async def _fetch(self, repository: Repository) -> None:
        account = await self._store.git_accounts.find(
            repository.user_id, str(repository.installation_id)
        )
        if account is None:
            raise GitFailedError("its GitHub account is not connected any more")
        url = f"{account.git_url.rstrip('/')}/{repository.remote_name}.git"
        word = base64.b64encode(f"x-access-token:{account.token}".encode()).decode()
        bare = self._commits.bare(repository)
        await to_thread.run_sync(partial(bare.fetch, url, header=f"Authorization: Basic {word}"))
