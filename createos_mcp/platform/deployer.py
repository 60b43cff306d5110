"""A deployment's life, from queued to gone: builds it, takes it live, replaces what was there."""

import logging
import shutil
from collections import defaultdict
from functools import partial

import anyio
from anyio import to_thread

from createos_mcp.platform.addresses import Addresses
from createos_mcp.platform.app_logs import tail
from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.builder import Builder
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import BuildFailedError, IllegalTransitionError, WrongStateError
from createos_mcp.platform.models import (
    BuildJob,
    Deployment,
    DeploymentStatus,
    Environment,
    Project,
    ProjectStatus,
    release_to_json,
)
from createos_mcp.platform.names import new_id
from createos_mcp.platform.store import Store
from createos_mcp.platform.supervisor import Supervisor, build_log

logger = logging.getLogger(__name__)

FAULT = "The platform failed; its log says why"


class Deployer:
    """Every deployment that is not finished, and the ways to begin, change and end one.

    Args:
        background: Where the work is done.
    """

    def __init__(
        self,
        *,
        store: Store,
        builder: Builder,
        supervisor: Supervisor,
        addresses: Addresses,
        config: PlatformConfig,
        background: Background,
    ) -> None:
        self._store = store
        self._builder = builder
        self._supervisor = supervisor
        self._addresses = addresses
        self._config = config
        self._data_dir = config.data_dir
        self._background = background
        self._build_slots = anyio.Semaphore(config.builds_at_once)
        self._promotions: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._work: dict[str, Work] = {}

    async def recover(self) -> None:
        """Go on where the last run of the platform ended, however it ended."""
        for environment in await self._store.all_environments():
            await self.open_environment(environment)
        for deployment in await self._store.deployments_in(frozenset(DeploymentStatus)):
            await self._recover_one(deployment)
        for project in await self._store.projects_in(ProjectStatus.DELETING):
            self._background.start(self._remove_project, project)

    async def open_environment(self, environment: Environment) -> None:
        """Listen on the address of an environment."""
        project = await self._store.project_by_id(environment.project_id)
        if project is not None:
            await self._addresses.open_environment(environment, project)

    async def submit(self, deployment: Deployment) -> None:
        """Queue a deployment whose row and files are stored."""
        self._work[deployment.id] = self._background.start(self._deploy, deployment)

    async def cancel(self, deployment: Deployment) -> None:
        """Stop a deployment that waits or builds; its processes end before this returns.

        Raises:
            WrongStateError: It is past building.
        """
        try:
            await self._store.move(
                deployment.id, DeploymentStatus.CANCELLED, reason="Cancelled on request"
            )
        except IllegalTransitionError as error:
            raise WrongStateError(
                "Only a deployment in queue or building can be cancelled; "
                f"this one is {error.present}."
            ) from error
        await self._abandon(deployment.id)

    async def retrigger(self, deployment: Deployment, *, settings: str) -> Deployment:
        """Deploy the same files once more.

        Args:
            deployment: The one whose files are taken.
            settings: `deployment` builds with what it was built with, `project` with what the
                project says now.
        """
        chosen = deployment.settings
        if settings == "project":
            project = await self._store.project_by_id(deployment.project_id)
            chosen = project.settings if project is not None else chosen
        again_id = new_id()
        await to_thread.run_sync(
            shutil.copytree, self._data_dir.source(deployment.id), self._data_dir.source(again_id)
        )
        again = await self._store.add_deployment(
            deployment_id=again_id,
            project_id=deployment.project_id,
            source=deployment.source,
            settings=chosen,
            max_pending=self._config.max_uploads_pending,
        )
        await self.submit(again)
        return again

    async def delete(self, deployment: Deployment) -> None:
        """Mark a deployment for deletion; its app, files and address go in the background.

        Raises:
            WrongStateError: It is being deleted already.
        """
        try:
            marked = await self._store.move(deployment.id, DeploymentStatus.TERMINATING)
        except IllegalTransitionError as error:
            raise WrongStateError("The deployment is being deleted already.") from error
        self._background.start(self._remove, marked)

    async def delete_project(self, project: Project) -> None:
        """Delete a project that is marked for it, and all that it owns, in the background."""
        self._background.start(self._remove_project, project)

    async def app_log(self, deployment: Deployment, since_s: float) -> str:
        """What the app wrote in the last `since_s` seconds."""
        return await to_thread.run_sync(tail, self._data_dir.app_log(deployment.id), since_s)

    async def _recover_one(self, deployment: Deployment) -> None:
        match deployment.status:
            case DeploymentStatus.QUEUE | DeploymentStatus.BUILDING | DeploymentStatus.DEPLOYING:
                await self._supervisor.end_leftover(deployment)
                await self.submit(deployment)
            case DeploymentStatus.DEPLOYED | DeploymentStatus.CRASHING:
                await self._supervisor.adopt(deployment)
                self._background.start(self._resume, deployment)
            case DeploymentStatus.TERMINATING:
                self._background.start(self._remove, deployment)
            case _:
                await self._supervisor.end_leftover(deployment)

    async def _resume(self, deployment: Deployment) -> None:
        if not self._supervisor.runs(deployment.id):
            await self._supervisor.resume(deployment.id)
        if self._supervisor.runs(deployment.id):
            await self._promote(deployment)
            await self._retire_superseded(deployment.project_id)

    async def _deploy(self, deployment: Deployment) -> None:
        try:
            built = deployment.status is DeploymentStatus.DEPLOYING
            if built or await self._build(deployment):
                await self._take_live(deployment)
        except IllegalTransitionError:
            raise
        except Exception:
            logger.exception("deployment %s failed by a fault of the platform", deployment.id)
            await self._give_up(deployment.id)
        finally:
            self._work.pop(deployment.id, None)

    async def _give_up(self, deployment_id: str) -> None:
        """End a deployment that a fault of the platform stopped, in the state it can end in."""
        for status in (DeploymentStatus.BUILD_ERROR, DeploymentStatus.ERROR):
            try:
                await self._store.move(deployment_id, status, reason=FAULT)
            except IllegalTransitionError:
                continue
            return

    async def _build(self, deployment: Deployment) -> bool:
        async with self._build_slots:
            if deployment.status is DeploymentStatus.QUEUE:
                await self._store.move(deployment.id, DeploymentStatus.BUILDING)
            try:
                release = await self._builder.build(
                    self._job(deployment), build_log(self._store, deployment.id)
                )
            except BuildFailedError as error:
                await self._store.append_build_log(deployment.id, "build", [str(error)])
                await self._store.move(
                    deployment.id, DeploymentStatus.BUILD_ERROR, reason=str(error)
                )
                return False
        await self._store.set_release(deployment.id, release_to_json(release))
        return True

    def _job(self, deployment: Deployment) -> BuildJob:
        return BuildJob(
            deployment_id=deployment.id,
            source_dir=self._data_dir.source(deployment.id),
            release_dir=self._data_dir.release(deployment.id),
            settings=deployment.settings,
            timeout_s=self._config.build_timeout_s,
        )

    async def _take_live(self, deployment: Deployment) -> None:
        """Start it, lead its environments to it, and only then call it deployed."""
        if await self._supervisor.launch(deployment.id):
            await self._promote(deployment)
            await self._supervisor.go_live(deployment.id)
            await self._retire_superseded(deployment.project_id)

    async def _promote(self, deployment: Deployment) -> None:
        """Give a deployment to the environments that take each good one, unless a newer has it."""
        async with self._promotions[deployment.project_id]:
            for environment in await self._store.environments(deployment.project_id):
                held_id = environment.deployment_id
                held = await self._store.deployment(held_id) if held_id else None
                newer = held is None or held.version <= deployment.version
                if environment.is_auto_promote_enabled and newer:
                    await self._supervisor.point(environment, deployment.id)

    async def _retire_superseded(self, project_id: str) -> None:
        """Let the apps sleep that no environment leads to any more."""
        async with self._promotions[project_id]:
            environments = await self._store.environments(project_id)
            served = {environment.deployment_id for environment in environments}
            for old in await self._store.deployments_of(project_id):
                live = old.status is DeploymentStatus.DEPLOYED and self._supervisor.runs(old.id)
                if live and old.id not in served:
                    await self._supervisor.sleep(old.id, "A newer deployment has taken its place")

    async def _remove_project(self, project: Project) -> None:
        for deployment in await self._store.deployments_of(project.id):
            if deployment.status is not DeploymentStatus.TERMINATING:
                await self._store.move(deployment.id, DeploymentStatus.TERMINATING)
            await self._remove(deployment)
        for environment in await self._store.environments(project.id):
            await self._addresses.close(environment.id)
        await self._store.remove_project(project.id)

    async def _remove(self, deployment: Deployment) -> None:
        await self._abandon(deployment.id)
        await self._supervisor.stop(deployment.id)
        await self._supervisor.end_leftover(deployment)
        for environment in await self._store.environments(deployment.project_id):
            if environment.deployment_id == deployment.id:
                await self._store.point_environment(environment.id, None)
                self._addresses.withdraw(environment.id, "Its deployment was deleted.")
        await self._addresses.close(deployment.id)
        for directory in self._data_dir.all_of(deployment.id):
            await to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))
        await self._store.remove_deployment(deployment.id)

    async def _abandon(self, deployment_id: str) -> None:
        work = self._work.get(deployment_id)
        if work is not None:
            await work.abandon()
