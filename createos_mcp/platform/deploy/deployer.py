"""A deployment's life, from queued to gone: builds it, takes it live, and ends it."""

import logging
import shutil
from collections.abc import Awaitable, Callable
from functools import partial

from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.reconciler import EnvironmentReconciler
from createos_mcp.platform.deploy.releases import Releases
from createos_mcp.platform.errors import (
    AppExitedError,
    BuildFailedError,
    IllegalTransitionError,
    Refusal,
    StartFailedError,
    StorageError,
    WrongStateError,
)
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import IMAGE_SOURCE, Deployment, Environment, Project, Reason
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.states import (
    UNFINISHED,
    DeploymentStatus,
    EnvironmentStatus,
    ProjectStatus,
)
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)

FAULT = Reason(code=ReasonCode.PLATFORM_FAILED, text="Internal error of the platform; see its log")
CANCELLED = Reason(code=ReasonCode.CANCELLED, text="Cancelled on request")
DELETED = "The deployment was deleted."


class Deployer:
    """Every deployment that is not finished, and the ways to begin, change and end one.

    Args:
        background: Where the work is done.
    """

    def __init__(
        self,
        *,
        store: Store,
        releases: Releases,
        supervisor: Supervisor,
        reconciler: EnvironmentReconciler,
        addresses: Addresses,
        gateway: Gateway,
        config: PlatformConfig,
        background: Background,
    ) -> None:
        self._store = store
        self._releases = releases
        self._supervisor = supervisor
        self._reconciler = reconciler
        self._addresses = addresses
        self._gateway = gateway
        self._config = config
        self._data_dir = config.data_dir
        self._background = background
        self._work: dict[str, Work] = {}
        self.on_live: Callable[[str], Awaitable[None]] | None = None
        """Told of each deployment that is live for the first time."""

    async def recover(self) -> None:
        """Go on where the last run of the platform ended, however it ended."""
        environments = await self._store.environments.all()
        for environment in environments:
            await self._addresses.open_environment(environment)
        await self._supervisor.recover(environments)
        for deployment in await self._store.deployments.in_status({*UNFINISHED, _TERMINATING}):
            await self._recover_one(deployment)
        for environment in environments:
            if environment.status is not EnvironmentStatus.ACTIVE:
                self._reconciler.start_reconciling(environment)
        for project in await self._store.projects.in_status(ProjectStatus.DELETING):
            self._background.start(self._remove_project, project)

    async def submit(self, deployment: Deployment) -> None:
        """Queue a deployment whose row and files are stored."""
        self._work[deployment.id] = self._background.start(self._deploy, deployment)

    async def cancel(self, deployment: Deployment) -> None:
        """Stop a deployment that waits or builds; its processes end before this returns.

        Raises:
            WrongStateError: It is past building.
        """
        try:
            await self._store.deployments.transition(
                deployment.id, DeploymentStatus.CANCELLED, reason=CANCELLED
            )
        except IllegalTransitionError as error:
            raise WrongStateError(
                "Only a deployment in queue or building can be cancelled; "
                f"this one is {error.present}."
            ) from error
        await self._abandon(deployment.id)

    async def supersede(self, earlier: Deployment, newest: Deployment) -> None:
        """Cancel a deployment that waits, because a newer commit of its branch came."""
        text = f"Version {newest.version} of the same branch came before it was built"
        reason = Reason(code=ReasonCode.SUPERSEDED, text=text)
        if await self._store.deployments.record_status(
            earlier.id, DeploymentStatus.CANCELLED, reason
        ):
            await self._abandon(earlier.id)

    async def retrigger(self, deployment: Deployment, *, settings: str) -> Deployment:
        """Deploy the same files once more.

        Args:
            deployment: The one whose files are taken.
            settings: `deployment` builds with what it was built with, `project` with what the
                project says now.
        """
        chosen = deployment.settings
        if settings == "project":
            project = await self._store.projects.by_id(deployment.project_id)
            own = {"image": chosen["image"]} if deployment.source == IMAGE_SOURCE else {}
            chosen = {**project.settings, **own} if project is not None else chosen
        again_id = new_id()
        source, copy = self._data_dir.source(deployment.id), self._data_dir.source(again_id)
        try:
            if source.is_dir():
                await to_thread.run_sync(partial(shutil.copytree, source, copy, symlinks=True))
        except OSError as error:
            raise StorageError(copy, str(error)) from error
        try:
            again = await self._store.deployments.add(
                deployment_id=again_id,
                project_id=deployment.project_id,
                source=deployment.source,
                settings=chosen,
                promote=deployment.promote,
                revision=deployment.revision,
                max_pending=self._config.max_uploads_pending,
            )
        except Refusal:
            await to_thread.run_sync(partial(shutil.rmtree, copy, ignore_errors=True))
            raise
        await self.submit(again)
        return again

    async def ensure_release(self, deployment: Deployment) -> Deployment:
        """The deployment with its release on disk, which is built again if it was collected.

        Raises:
            WrongStateError: It was never built, or cannot be built any more.
        """
        if deployment.release is None and deployment.live_at is None:
            raise WrongStateError(
                f"The deployment is {deployment.status} and was not built, so there is nothing "
                "to run a command in."
            )
        try:
            await self._releases.ensure(deployment)
        except BuildFailedError as error:
            raise WrongStateError(f"It cannot be built again: {error}.") from error
        return await self._store.deployments.get(deployment.id) or deployment

    async def delete(self, deployment: Deployment) -> None:
        """Mark a deployment for deletion; its app, files and address go in the background.

        Raises:
            WrongStateError: It is being deleted already.
        """
        try:
            marked = await self._store.deployments.transition(
                deployment.id, DeploymentStatus.TERMINATING
            )
        except IllegalTransitionError as error:
            raise WrongStateError("The deployment is already being deleted.") from error
        self._background.start(self._remove, marked)

    async def delete_project(self, project: Project) -> None:
        """Delete a project that is marked for it, and all that it owns, in the background."""
        self._background.start(self._remove_project, project)

    async def wake(self, deployment: Deployment) -> None:
        """Begin to run a sleeping deployment again.

        Raises:
            WrongStateError: It does not sleep.
        """
        if deployment.status is not DeploymentStatus.SLEEPING:
            raise WrongStateError(
                f"Only a sleeping deployment can be woken; this one is {deployment.status}."
            )
        for environment in await self._store.environments.of(deployment.project_id):
            if environment.deployment_id == deployment.id and environment.is_stopped:
                await self._store.environments.set_stopped(environment.id, is_stopped=False)
        if await self._store.deployments.record_status(
            deployment.id, DeploymentStatus.DEPLOYING, None
        ):
            self._background.start(self._wake, deployment)

    async def _wake(self, deployment: Deployment) -> None:
        """Run it where it belongs: in the environments that serve it, otherwise by itself."""
        try:
            await self._releases.ensure(deployment)
        except BuildFailedError as error:
            await self._fail(deployment.id, error)
            return
        environments = await self._store.environments.of(deployment.project_id)
        route_ids = [e.id for e in environments if e.deployment_id == deployment.id]
        for route_id in route_ids or [deployment.id]:
            await self._supervisor.wake(route_id)

    async def _recover_one(self, deployment: Deployment) -> None:
        if deployment.status is _TERMINATING:
            self._background.start(self._remove, deployment)
        elif self._supervisor.runs(deployment.id):
            await self._supervisor.publish_status(deployment.id)
        elif deployment.live_at is None:
            await self.submit(deployment)
        else:
            self._background.start(self._wake, deployment)

    async def _deploy(self, deployment: Deployment) -> None:
        try:
            built = deployment.status is DeploymentStatus.DEPLOYING
            if built or await self._build(deployment):
                await self._take_live(deployment.id)
        except IllegalTransitionError:
            raise
        except Exception:
            logger.exception("internal error while deploying %s", deployment.id)
            await self._give_up(deployment.id)
        finally:
            self._work.pop(deployment.id, None)

    async def _give_up(self, deployment_id: str) -> None:
        """End a deployment that a fault of the platform stopped, in the state it can end in."""
        for status in (DeploymentStatus.BUILD_ERROR, DeploymentStatus.ERROR):
            if await self._store.deployments.record_status(deployment_id, status, FAULT):
                return

    async def _build(self, deployment: Deployment) -> bool:
        async with self._releases.slots:
            if deployment.status is DeploymentStatus.QUEUE:
                await self._store.deployments.transition(deployment.id, DeploymentStatus.BUILDING)
            try:
                await self._releases.build(deployment)
            except BuildFailedError as error:
                await self._store.deployments.append_build_log(deployment.id, "build", [str(error)])
                await self._store.deployments.transition(
                    deployment.id, DeploymentStatus.BUILD_ERROR, reason=_reason_of(error)
                )
                return False
        await self._store.deployments.transition(deployment.id, DeploymentStatus.DEPLOYING)
        return True

    async def _take_live(self, deployment_id: str) -> None:
        """Start it in each of its routes, lead their addresses to it, and then call it deployed."""
        deployment = await self._store.deployments.get(deployment_id)
        if deployment is None:
            return
        environments = await self._store.environments.of(deployment.project_id)
        taking = [environment.id for environment in environments if _takes(environment, deployment)]
        errors = []
        for route_id in taking or [deployment.id]:
            async with self._supervisor.lock(route_id):
                try:
                    await self._replace_at(deployment, route_id)
                except StartFailedError as error:
                    errors.append(error)
        said = [str(error) for error in errors]
        await self._store.deployments.append_build_log(deployment_id, "deploy", said)
        if errors and not self._supervisor.runs(deployment_id):
            await self._fail(deployment_id, errors[0])
        else:
            await self._supervisor.publish_status(deployment_id)
            if self.on_live is not None:
                self._background.start(self.on_live, deployment_id)

    async def _replace_at(self, deployment: Deployment, route_id: str) -> None:
        """Run a deployment in an environment, unless that has a newer one, or by itself."""
        environment = await self._store.environments.get(route_id)
        if environment is None:
            if route_id == deployment.id:
                await self._supervisor.replace(deployment, None)
            return
        held = await self._store.deployments.get(environment.deployment_id or "")
        if _takes(environment, deployment) and (held is None or held.version <= deployment.version):
            await self._supervisor.replace(deployment, environment)

    async def _fail(self, deployment_id: str, error: BuildFailedError | StartFailedError) -> None:
        exited = isinstance(error, AppExitedError)
        status = DeploymentStatus.CRASHING if exited else DeploymentStatus.ERROR
        await self._store.deployments.record_status(deployment_id, status, _reason_of(error))

    async def _remove_project(self, project: Project) -> None:
        for deployment in await self._store.deployments.of(project.id):
            if deployment.status is not _TERMINATING:
                await self._store.deployments.transition(deployment.id, _TERMINATING)
            await self._remove(deployment)
        for environment in await self._store.environments.of(project.id):
            async with self._supervisor.lock(environment.id):
                await self._reconciler.remove(environment)
        await self._store.projects.remove(project.id)

    async def _remove(self, deployment: Deployment) -> None:
        await self._abandon(deployment.id)
        for environment in await self._store.environments.of(deployment.project_id):
            async with self._supervisor.lock(environment.id):
                await self._take_from(environment.id, deployment.id)
        async with self._supervisor.lock(deployment.id):
            await self._supervisor.stop(deployment.id)
        await self._addresses.close(deployment.id)
        await self._keep_build_log(deployment.id)
        for directory in self._data_dir.all_of(deployment.id):
            await to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))
        await self._store.deployments.remove(deployment.id)

    async def _take_from(self, environment_id: str, deployment_id: str) -> None:
        environment = await self._store.environments.get(environment_id)
        if environment is not None and environment.deployment_id == deployment_id:
            await self._store.environments.clear_deployment(environment_id)
            await self._supervisor.stop(deployment_id)
            self._gateway.make_unavailable(environment_id, DELETED)

    async def _keep_build_log(self, deployment_id: str) -> None:
        """Leave a deleted deployment's build log beside what its replicas printed."""
        lines = await self._store.deployments.build_log(deployment_id)
        file = self._data_dir.app_logs(deployment_id) / "build.log"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text("".join(f"{line.ts} {line.log}\n" for line in lines))

    async def _abandon(self, deployment_id: str) -> None:
        work = self._work.get(deployment_id)
        if work is not None:
            await work.abandon()


_TERMINATING = DeploymentStatus.TERMINATING


def _reason_of(error: BuildFailedError | StartFailedError) -> Reason:
    return Reason(code=error.code, text=str(error))


def _takes(environment: Environment, deployment: Deployment) -> bool:
    """Whether a deployment goes to an environment by itself."""
    if environment.status is EnvironmentStatus.DELETING:
        return False
    if deployment.promote is None:
        revision = deployment.revision
        is_branch = (
            revision is None or (environment.branch or revision["default"]) == (revision["branch"])
        )
        return environment.is_auto_promote_enabled and is_branch
    return deployment.promote == environment.id
