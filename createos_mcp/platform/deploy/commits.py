"""Commits: the files that a deployment of a branch is built from."""

from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import BuildFailedError, GitFailedError, InvalidRequestError
from createos_mcp.platform.git.bare_repositories import BareRepository
from createos_mcp.platform.models import Deployment, Project
from createos_mcp.platform.store.repositories import Repositories, Repository
from createos_mcp.platform.store.store import Store

LOCAL_INSTALLATION = "1"
"""What the account of this machine is called where GitHub's have a number."""


class Commits:
    """Writes the files of commits out of the repositories of this machine."""

    def __init__(self, store: Store, config: PlatformConfig) -> None:
        self._store = store
        self._config = config

    async def repository_of(self, project: Project) -> Repository:
        """The repository that a project is built from.

        Raises:
            InvalidRequestError: It is not one of this machine's, or not the owner's any more.
        """
        repository = await repository_of_source(
            self._store.repositories, project.source, project.user_id
        )
        if repository is None or repository.user_id != project.user_id:
            raise InvalidRequestError(
                "The project's repository is not one of yours on this machine. Create one with "
                "`createos-mcp platform git create`, and a project that is built from it."
            )
        return repository

    def bare(self, repository: Repository) -> BareRepository:
        """Where a repository is."""
        return BareRepository(self._config.data_dir.repository(repository.id))

    async def write_out(self, deployment: Deployment) -> None:
        """Write the files of a deployment's commit to its source, unless they are there.

        Raises:
            BuildFailedError: The repository is gone, or the commit cannot be written.
        """
        target = self._config.data_dir.source(deployment.id)
        if target.is_dir():
            return
        project = await self._store.projects.by_id(deployment.project_id)
        source = project.source if project is not None else {}
        user_id = project.user_id if project is not None else ""
        repository = await repository_of_source(self._store.repositories, source, user_id)
        revision = deployment.revision or {}
        if repository is None:
            reason = "The repository of this project is not on this machine any more."
            raise BuildFailedError(ReasonCode.SOURCE_UNAVAILABLE, reason)
        neighbors = {
            one.name.lower(): self.bare(one).place
            for one in await self._store.repositories.of(repository.user_id)
        }
        base = f"http://127.0.0.1:{self._config.api_port}/git/{repository.owner}/"

        def find_module(url: str) -> Path | None:
            for start in ("../", base):
                if url.startswith(start):
                    name = url.removeprefix(start).removesuffix(".git")
                    return neighbors.get(name.lower())
            return None

        try:
            notes = await to_thread.run_sync(
                self.bare(repository).write_out, revision["sha"], target, find_module
            )
        except GitFailedError as error:
            reason = f"The commit {revision['sha'][:8]} cannot be checked out: {error}"
            raise BuildFailedError(ReasonCode.SOURCE_UNAVAILABLE, reason) from error
        heading = f"{revision['branch']} at {revision['sha'][:8]}: {revision['message']}"
        await self._store.deployments.append_build_log(deployment.id, "checkout", [heading, *notes])


async def repository_of_source(
    repositories: Repositories, source: Mapping[str, Json], user_id: str
) -> Repository | None:
    """The repository of this machine that a project's source names, or that follows it."""
    installation_id = str(source.get("vcsInstallationId", ""))
    number = str(source.get("vcsRepoId", ""))
    if installation_id != LOCAL_INSTALLATION:
        return await repositories.following(user_id, installation_id, number)
    return await repositories.get(int(number)) if number.isdecimal() else None
