"""Pushes: what follows when branches of a repository have moved.

What a repository holds is compared with what was seen of it last, so that a push counts once,
whether its hook was heard or the platform was killed in between.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import anyio
from anyio import to_thread

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION, Commits
from createos_mcp.platform.deploy.deployer import Deployer
from createos_mcp.platform.deploy.previews import Previews
from createos_mcp.platform.deploy.repository_host import RepositoryHost
from createos_mcp.platform.errors import GitFailedError, InvalidRequestError, PlatformError, Refusal
from createos_mcp.platform.git.bare_repositories import Commit
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import GIT_SOURCE, Deployment, Project
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.states import DeploymentStatus
from createos_mcp.platform.store.database import Transaction
from createos_mcp.platform.store.repositories import DEFAULT_BRANCH, Repository
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)

_FAILED = {
    DeploymentStatus.BUILD_ERROR,
    DeploymentStatus.ERROR,
    DeploymentStatus.CRASHING,
    DeploymentStatus.CANCELLED,
    DeploymentStatus.TERMINATING,
}


@dataclass(kw_only=True, slots=True)
class PushOutcome:
    """What was begun because of a push."""

    notes: list[str] = field(default_factory=list)
    """What was not, and why, for who pushed."""
    deployments: list[tuple[Project, Deployment]] = field(default_factory=list)


class Pushes:
    """Builds what was pushed, for every project that is built from the repository."""

    def __init__(
        self,
        *,
        store: Store,
        commits: Commits,
        deployer: Deployer,
        previews: Previews,
        host: RepositoryHost,
        users: ProjectUsers,
        config: PlatformConfig,
    ) -> None:
        self._store = store
        self._commits = commits
        self._deployer = deployer
        self._previews = previews
        self._host = host
        self._users = users
        self._config = config
        self._locks: defaultdict[int, anyio.Lock] = defaultdict(anyio.Lock)

    async def recover(self) -> None:
        """Go on with what was pushed while nobody listened."""
        for repository in await self._store.repositories.all():
            try:
                await self._host.restore(repository)
                await self.look(repository)
            except PlatformError as error:
                logger.warning("repository %s cannot be read: %s", repository.full_name, error)

    async def look(self, repository: Repository) -> PushOutcome:
        """Find out which branches have moved, and begin what follows.

        Raises:
            GitFailedError: The repository cannot be read.
        """
        outcome = PushOutcome()
        async with self._locks[repository.id]:
            bare = self._commits.bare(repository)
            there = await to_thread.run_sync(bare.branches)
            known = await self._store.repositories.branches(repository.id)
            repository = await self._settle_default(repository, there, known)
            for branch in sorted({*there, *known}):
                before, after = known.get(branch), there.get(branch)
                if before == after:
                    continue
                if after is None:
                    await self._forget(repository, branch, outcome)
                else:
                    await self._build(repository, branch, before, after, outcome)
        return outcome

    async def deploy_branch(
        self, project: Project, branch: str | None, *, promote: str | None
    ) -> Deployment | str:
        """Deploy the newest commit of a branch.

        Args:
            project: A vcs project.
            branch: None for the repository's default.
            promote: Where it goes, as in `Deployment`; None to where pushes of the branch go.

        Returns:
            The deployment, or a sentence where that commit is deployed already.

        Raises:
            InvalidRequestError: There is no such branch, or no repository.
        """
        repository = await self._commits.repository_of(project)
        await self.look(repository)
        repository = await self._store.repositories.get(repository.id) or repository
        name = branch or repository.default_branch
        there = await self._store.repositories.branches(repository.id)
        if name not in there:
            known = f"it has {', '.join(sorted(there)[:10])}" if there else "nothing was pushed yet"
            raise InvalidRequestError(
                f"branch: {repository.full_name} has no branch {name!r}; {known}."
            )
        for earlier in await self._store.deployments.of(project.id):
            revision = earlier.revision or {}
            same = revision.get("sha") == there[name] and revision.get("branch") == name
            if same and promote is None and earlier.status not in _FAILED:
                return f"Commit {there[name][:8]} is version {earlier.version} already."
        commit = await to_thread.run_sync(self._commits.bare(repository).commit, there[name])
        deployment = await self._store.deployments.add(
            deployment_id=new_id(),
            project_id=project.id,
            source=GIT_SOURCE,
            settings=project.settings,
            promote=promote,
            revision=_revision(repository, name, commit),
            max_pending=self._config.max_uploads_pending,
        )
        await self._begin([(project, deployment)])
        return deployment

    async def _settle_default(
        self, repository: Repository, there: Mapping[str, str], known: Mapping[str, str]
    ) -> Repository:
        """The first push decides which branch is meant where none is named."""
        if known or not there or repository.default_branch in there:
            return repository
        name = next((one for one in (DEFAULT_BRANCH, "master") if one in there), min(there))
        bare = self._commits.bare(repository)
        await to_thread.run_sync(bare.set_default_branch, name)
        await self._store.repositories.set_default_branch(repository.id, name)
        return await self._store.repositories.get(repository.id) or repository

    async def _forget(self, repository: Repository, branch: str, outcome: PushOutcome) -> None:
        await self._store.repositories.record(repository.id, branch, None, lambda _: None)
        for project in await self.projects(repository):
            removed = await self._previews.remove(project, branch)
            outcome.notes += [f"{project.unique_name}: the preview {name} goes" for name in removed]

    async def _build(
        self,
        repository: Repository,
        branch: str,
        before: str | None,
        after: str,
        outcome: PushOutcome,
    ) -> None:
        commit = await to_thread.run_sync(self._commits.bare(repository).commit, after)
        wanted = []
        projects = await self.projects(repository)
        if not projects:
            outcome.notes.append(
                f"No project is built from {repository.full_name} yet: Deploy it with branch "
                f"{branch} and repository {repository.full_name}, or create a project of type vcs "
                f"with vcsInstallationId {LOCAL_INSTALLATION} and vcsRepoId {repository.id}"
            )
        for project in projects:
            reason = await self._reason_not_to_build(repository, project, branch, before, after)
            if reason:
                outcome.notes.append(f"{project.unique_name}: not built, {reason}")
            else:
                outcome.notes += await self._previews.make(project, branch)
                wanted.append(project)

        def insert(transaction: Transaction) -> list[tuple[Project, Deployment]]:
            return [
                (
                    project,
                    self._store.deployments.insert(
                        transaction,
                        deployment_id=new_id(),
                        project_id=project.id,
                        source=GIT_SOURCE,
                        settings=project.settings,
                        revision=_revision(repository, branch, commit),
                    ),
                )
                for project in wanted
            ]

        begun = await self._store.repositories.record(repository.id, branch, after, insert) or []
        await self._begin(begun)
        outcome.deployments += begun

    async def _begin(self, begun: Sequence[tuple[Project, Deployment]]) -> None:
        for _, deployment in begun:
            await self._supersede(deployment)
            await self._deployer.submit(deployment)

    async def _supersede(self, newest: Deployment) -> None:
        """Those of the same branch that wait for their build need none any more."""
        branch = (newest.revision or {}).get("branch")
        for earlier in await self._store.deployments.of(newest.project_id):
            is_older = earlier.version < newest.version and earlier.promote is None
            same_branch = (earlier.revision or {}).get("branch") == branch
            if is_older and same_branch and earlier.status is DeploymentStatus.QUEUE:
                await self._deployer.supersede(earlier, newest)

    async def _reason_not_to_build(
        self,
        repository: Repository,
        project: Project,
        branch: str,
        before: str | None,
        after: str,
    ) -> str:
        """Why a push concerns a project not; empty where it does."""
        if (objection := await self._users.objection(project.id)) is not None:
            return f"{objection[0].lower()}{objection[1:]}".rstrip(".")
        for pattern in project.settings.get("ignoreBranches") or ():
            if fnmatchcase(branch, pattern):
                return f"ignoreBranches has {pattern}"
        folder = str(project.settings.get("directoryPath") or "").strip("./")
        if not folder or before is None:
            return ""
        bare = self._commits.bare(repository)
        try:
            if await to_thread.run_sync(bare.changed, before, after, folder):
                return ""
        except GitFailedError:
            return ""
        return f"nothing in {folder} has changed"

    async def projects(self, repository: Repository) -> list[Project]:
        """The active projects that are built from a repository."""
        return await self._store.repositories.projects(repository, LOCAL_INSTALLATION)


def _revision(repository: Repository, branch: str, commit: Commit) -> dict[str, str]:
    return {
        "branch": branch,
        "default": repository.default_branch,
        "sha": commit.sha,
        "author": commit.author,
        "message": commit.message,
    }


def as_refusal(error: GitFailedError) -> Refusal:
    """What the API says of a repository that git cannot read."""
    return InvalidRequestError(f"The repository cannot be read: {error}.")
