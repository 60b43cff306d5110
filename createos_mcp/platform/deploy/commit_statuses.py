"""Commit statuses: what became of a commit, told on GitHub next to the commit."""

import logging
from collections.abc import Mapping

import anyio

from createos_mcp.platform.deploy.github_accounts import GitHubAccounts
from createos_mcp.platform.errors import PlatformError
from createos_mcp.platform.gateway.addresses import app_url
from createos_mcp.platform.models import Deployment, Project
from createos_mcp.platform.states import UNFINISHED, DeploymentStatus
from createos_mcp.platform.store.repositories import Repository
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)

POLL_S = 2.0
PENDING, SUCCESS, FAILURE = "pending", "success", "failure"
_NEWEST = 10
_DESCRIPTION_CHARACTERS = 140
"""GitHub takes no more."""

_GOOD = {DeploymentStatus.DEPLOYED, DeploymentStatus.SLEEPING}


class CommitStatuses:
    """Looks at the deployments of repositories on GitHub, and tells each change once."""

    def __init__(self, store: Store, accounts: GitHubAccounts) -> None:
        self._store = store
        self._accounts = accounts
        self._told: dict[str, str] = {}
        """State by deployment; those that had ended before this platform began are not told."""
        self._is_first = True

    async def run(self) -> None:
        """Look for as long as the platform lives."""
        while True:
            try:
                await self.look()
            except PlatformError as error:
                logger.warning("deployments could not be looked at: %s", error)
            await anyio.sleep(POLL_S)

    async def look(self) -> None:
        """Look once at what is newest of every project that is built from GitHub."""
        for repository in await self._store.repositories.all():
            if repository.remote_id is None or repository.installation_id is None:
                continue
            for project in await self._store.repositories.projects(repository, ""):
                for deployment in (await self._store.deployments.of(project.id))[:_NEWEST]:
                    await self._consider(repository, project, deployment)
        self._is_first = False

    async def _consider(
        self, repository: Repository, project: Project, deployment: Deployment
    ) -> None:
        state = _state_of(deployment)
        if self._is_first and state is not PENDING:
            self._told[deployment.id] = state
        sha = (deployment.revision or {}).get("sha")
        if not sha or self._told.get(deployment.id) == state:
            return
        # Once, also where GitHub refuses: a token may lack the right for it.
        self._told[deployment.id] = state
        account = await self._store.git_accounts.find(
            repository.user_id, str(repository.installation_id)
        )
        if account is None:
            return
        try:
            github = await self._accounts.github(account)
            status = await self._status(project, deployment, state)
            await github.set_status(repository.full_name, sha, status)
        except PlatformError as error:
            logger.info("no status for %s at %s: %s", project.unique_name, sha[:8], error)

    async def _status(
        self, project: Project, deployment: Deployment, state: str
    ) -> Mapping[str, str]:
        homes = await self._store.environments.of(project.id)
        serving = [one for one in homes if one.deployment_id == deployment.id]
        told = {PENDING: "Being built and started", SUCCESS: "Live"}.get(state)
        description = told or deployment.reason or str(deployment.status)
        return {
            "state": state,
            "context": f"createos/{project.unique_name}",
            "description": f"Version {deployment.version}: {description}"[:_DESCRIPTION_CHARACTERS],
            **({"target_url": app_url(serving[0].port)} if serving else {}),
        }


def _state_of(deployment: Deployment) -> str:
    if deployment.status in UNFINISHED:
        return PENDING
    return SUCCESS if deployment.status in _GOOD else FAILURE
