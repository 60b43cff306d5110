"""Suspension: a project that keeps everything and runs nothing, until it is resumed."""

from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress

import anyio

from createos_mcp.platform.background import Background
from createos_mcp.platform.deploy.deployer import Deployer
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Deployment, Environment, Project
from createos_mcp.platform.run.project_users import SUSPENDED
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.states import LIVE, DeploymentStatus, ProjectStatus
from createos_mcp.platform.store.store import Store

_WAITING = frozenset({DeploymentStatus.QUEUE, DeploymentStatus.BUILDING})
_MAY_RUN = frozenset({*LIVE, DeploymentStatus.DEPLOYING})
_ACTIVE, _SUSPENDED = ProjectStatus.ACTIVE, ProjectStatus.SUSPENDED


class Suspension:
    """Suspends projects and resumes them.

    `ProjectUsers.objection` keeps what belongs to a suspended project from being started, also by
    a restart of the platform.
    """

    def __init__(
        self, *, store: Store, deployer: Deployer, supervisor: Supervisor, background: Background
    ) -> None:
        self._store = store
        self._deployer = deployer
        self._supervisor = supervisor
        self._background = background
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def suspend(self, project: Project) -> None:
        """Let nothing of a project start any more, and begin to end what it runs and builds.

        Raises:
            WrongStateError: It is not active.
        """
        if not await self._store.projects.change_status(project.id, _ACTIVE, _SUSPENDED):
            raise WrongStateError(f"The project is {await self._state_of(project)}, not active.")
        self._background.start(self._end, project.id)

    async def resume(self, project: Project) -> None:
        """Begin to run again what the environments of a suspended project serve.

        Raises:
            WrongStateError: It is not suspended.
        """
        if not await self._store.projects.change_status(project.id, _SUSPENDED, _ACTIVE):
            raise WrongStateError(f"The project is {await self._state_of(project)}, not suspended.")
        self._background.start(self._begin, project.id)

    async def _state_of(self, project: Project) -> ProjectStatus:
        now = await self._store.projects.by_id(project.id)
        return now.status if now is not None else ProjectStatus.DELETING

    async def _is_suspended(self, project_id: str) -> bool:
        project = await self._store.projects.by_id(project_id)
        return project is not None and project.status is _SUSPENDED

    async def _end(self, project_id: str) -> None:
        async with self._locks[project_id]:
            for deployment in await self._of(project_id, _WAITING):
                with suppress(WrongStateError):
                    await self._deployer.cancel(deployment)
            routes = [one.id for one in await self._store.environments.of(project_id)]
            routes += [one.id for one in await self._of(project_id, _MAY_RUN)]
            async with anyio.create_task_group() as tasks:
                for route_id in routes:
                    tasks.start_soon(self._end_at, project_id, route_id)

    async def _end_at(self, project_id: str, route_id: str) -> None:
        """End what runs at a route; a start that is under way there comes to its end first."""
        async with self._supervisor.lock(route_id):
            is_suspended = await self._is_suspended(project_id)
        if is_suspended and self._supervisor.active_at(route_id) is not None:
            await self._supervisor.sleep(route_id, SUSPENDED)

    async def _begin(self, project_id: str) -> None:
        async with self._locks[project_id]:
            for environment in await self._store.environments.of(project_id):
                if not environment.is_stopped and not await self._is_suspended(project_id):
                    await self._start(environment)

    async def _start(self, environment: Environment) -> None:
        deployment = await self._store.deployments.get(environment.deployment_id or "")
        if deployment is not None and deployment.status is DeploymentStatus.SLEEPING:
            with suppress(WrongStateError):
                await self._deployer.ensure_release(deployment)
                await self._supervisor.wake(environment.id)

    async def _of(
        self, project_id: str, statuses: Collection[DeploymentStatus]
    ) -> list[Deployment]:
        found = await self._store.deployments.in_status(statuses)
        return [one for one in found if one.project_id == project_id]
