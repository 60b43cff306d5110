"""Preview environments: one for each branch of a pattern, gone with the branch."""

import hashlib
import re
from fnmatch import fnmatchcase

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.reconciler import EnvironmentReconciler
from createos_mcp.platform.errors import Refusal
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.models import Project
from createos_mcp.platform.services.service_copies import ServiceCopies
from createos_mcp.platform.states import EnvironmentStatus
from createos_mcp.platform.store.environments import DEFAULT_RESOURCES
from createos_mcp.platform.store.store import Store

SETTING, COPIES = "previewBranches", "previewCopies"
_MAX_NAME = 32
_PREFIX = "preview-"


class Previews:
    """Makes and removes the environments of branches."""

    def __init__(
        self,
        *,
        store: Store,
        addresses: Addresses,
        reconciler: EnvironmentReconciler,
        copies: ServiceCopies,
        config: PlatformConfig,
    ) -> None:
        self._store = store
        self._addresses = addresses
        self._reconciler = reconciler
        self._copies = copies
        self._config = config

    async def make(self, project: Project, branch: str) -> list[str]:
        """Make a branch's environment where the project wants one; what to say of it."""
        patterns = project.settings.get(SETTING) or ()
        environments = await self._store.environments.of(project.id)
        if any(environment.branch == branch for environment in environments):
            return []
        if not any(fnmatchcase(branch, pattern) for pattern in patterns):
            return []
        try:
            made = await self._store.environments.add(
                project_id=project.id,
                unique_name=preview_name(branch),
                display_name=preview_name(branch),
                description=f"Preview of {branch}",
                branch=branch,
                is_auto_promote_enabled=True,
                is_preview=True,
                resources=DEFAULT_RESOURCES,
                settings={"runEnvs": {}},
                limit=self._config.max_environments,
            )
        except Refusal as error:
            return [f"{project.unique_name}: no preview of {branch}: {error}"]
        url = await self._addresses.open_environment(made)
        said = [f"preview {made.unique_name} at {url}"]
        if project.settings.get(COPIES):
            said += await self._copies.make(environments[0], made)
        return [f"{project.unique_name}: {line}" for line in said]

    async def remove(self, project: Project, branch: str) -> list[str]:
        """Begin to remove a branch's preview; its name, if there was one."""
        removed = []
        for environment in await self._store.environments.of(project.id):
            is_there = environment.status is not EnvironmentStatus.DELETING
            if environment.is_preview and environment.branch == branch and is_there:
                await self._store.environments.mark_deleting(environment.id)
                self._reconciler.start_reconciling(environment)
                removed.append(environment.unique_name)
        return removed


def preview_name(branch: str) -> str:
    """`preview-feature-login-3f2a`: readable, and another for each branch."""
    mark = hashlib.sha256(branch.encode()).hexdigest()[:4]
    readable = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")
    room = _MAX_NAME - len(_PREFIX) - len(mark) - 1
    return f"{_PREFIX}{readable[:room].strip('-')}-{mark}".replace("--", "-")
