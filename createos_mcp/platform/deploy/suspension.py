"""Suspension: a project that keeps everything and runs nothing, until it is resumed."""

from contextlib import suppress

from createos_mcp.platform.background import Background
from createos_mcp.platform.deploy.deployer import Deployer
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Environment, Project
from createos_mcp.platform.run.project_users import SUSPENDED
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.states import DeploymentStatus, ProjectStatus
from createos_mcp.platform.store.store import Store

_WAITING = frozenset({DeploymentStatus.QUEUE, DeploymentStatus.BUILDING})


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

    async def suspend(self, project: Project) -> None:
        """End what a project runs and builds; nothing of it starts until it is resumed.

        Raises:
            WrongStateError: It is not active.
        """
        if project.status is not ProjectStatus.ACTIVE:
            raise WrongStateError(f"The project is {project.status}, not active.")
        await self._store.projects.set_status(project.id, ProjectStatus.SUSPENDED)
        for deployment in await self._store.deployments.in_status(_WAITING):
            if deployment.project_id == project.id:
                with suppress(WrongStateError):
                    await self._deployer.cancel(deployment)
        for replicas in self._supervisor.running():
            deployment_run = await self._store.deployments.get(replicas.set.deployment_id)
            if deployment_run is not None and deployment_run.project_id == project.id:
                await self._supervisor.sleep(replicas.set.route_id, SUSPENDED)

    async def resume(self, project: Project) -> None:
        """Begin to run again what the environments of a suspended project serve.

        Raises:
            WrongStateError: It is not suspended.
        """
        if project.status is not ProjectStatus.SUSPENDED:
            raise WrongStateError(f"The project is {project.status}, not suspended.")
        await self._store.projects.set_status(project.id, ProjectStatus.ACTIVE)
        for environment in await self._store.environments.of(project.id):
            if not environment.is_stopped:
                self._background.start(self._start, environment)

    async def _start(self, environment: Environment) -> None:
        deployment = await self._store.deployments.get(environment.deployment_id or "")
        if deployment is not None and deployment.status is DeploymentStatus.SLEEPING:
            with suppress(WrongStateError):
                await self._deployer.ensure_release(deployment)
                await self._supervisor.wake(environment.id)
