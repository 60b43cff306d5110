"""Keeps apps running: starts them, watches them, restarts what crashes, stops what must go."""

from collections.abc import Sequence

import anyio

from createos_mcp.platform.addresses import Addresses
from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import AppExitedError, StartFailedError
from createos_mcp.platform.gateway import Gateway
from createos_mcp.platform.instances import to_json
from createos_mcp.platform.models import (
    Deployment,
    DeploymentStatus,
    Environment,
    Instance,
    LaunchSpec,
    release_from_json,
)
from createos_mcp.platform.runner import BuildLog, Runner
from createos_mcp.platform.store import Store

RESTART_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses before the restarts of an app that keeps crashing; after the last it stays down."""

STEADY_AFTER_S = 60.0
"""An app that ran this long starts again with the shortest pause."""

DEFAULT_PORT = 3000

BUILD_LOG_STAGE = "deploy"

ASLEEP = "The deployment is asleep: another one has taken its place."
STOPPED = "The deployment was stopped."


def build_log(store: Store, deployment_id: str) -> BuildLog:
    """Where the lines of a deployment's build log go."""

    async def append(stage: str, lines: Sequence[str]) -> None:
        await store.append_build_log(deployment_id, stage, lines)

    return append


class Supervisor:
    """The apps of all live deployments.

    Args:
        background: Where the apps are watched.
    """

    def __init__(
        self,
        *,
        store: Store,
        runner: Runner,
        gateway: Gateway,
        addresses: Addresses,
        config: PlatformConfig,
        background: Background,
    ) -> None:
        self._store = store
        self._runner = runner
        self._gateway = gateway
        self._addresses = addresses
        self._config = config
        self._background = background
        self._instances: dict[str, Instance] = {}
        self._watchers: dict[str, Work] = {}
        self._crashes: dict[str, int] = {}

    async def launch(self, deployment_id: str) -> bool:
        """Start a built deployment's app, and answer at the deployment's own address.

        It stays `deploying` until `go_live`; one that fails ends in the state of its failure.

        Returns:
            Whether the app answers.
        """
        deployment = await self._deploying(deployment_id)
        try:
            instance = await self._runner.start(
                await self._spec(deployment), log=build_log(self._store, deployment_id)
            )
        except StartFailedError as error:
            await self._fail(deployment_id, error)
            return False
        self._instances[deployment_id] = instance
        await self._store.set_instance(deployment_id, to_json(instance))
        await self._publish(deployment, instance)
        return True

    async def go_live(self, deployment_id: str) -> None:
        """Call a launched deployment `deployed`, and watch its app from now on."""
        await self._store.move(deployment_id, DeploymentStatus.DEPLOYED)
        self._begin_watch(deployment_id)

    async def adopt(self, deployment: Deployment) -> None:
        """Find a live deployment's app again after a restart of the platform.

        One whose app has ended is `deploying` from here on.
        """
        instance = await self._adopt(deployment)
        if instance is None:
            await self._deploying(deployment.id)
            return
        self._instances[deployment.id] = instance
        await self._publish(deployment, instance)
        if deployment.status is not DeploymentStatus.DEPLOYED:
            await self._store.move(deployment.id, DeploymentStatus.DEPLOYED)
        self._begin_watch(deployment.id)

    async def resume(self, deployment_id: str) -> None:
        """Start a deployment's app that did not outlive the platform, as after a crash."""
        if await self.launch(deployment_id):
            await self.go_live(deployment_id)
        else:
            await self._restart(deployment_id)

    async def end_leftover(self, deployment: Deployment) -> None:
        """End an app that outlived the platform in a state in which none should run."""
        instance = await self._adopt(deployment)
        if instance is not None:
            await self._runner.stop(instance)
        await self._store.set_instance(deployment.id, None)

    async def point(self, environment: Environment, deployment_id: str) -> None:
        """Let a live deployment answer at an environment's address."""
        await self._store.point_environment(environment.id, deployment_id)
        instance = self._instances.get(deployment_id)
        if instance is not None:
            self._addresses.publish(environment.id, instance)

    async def sleep(self, deployment_id: str, reason: str) -> None:
        """Let requests in flight finish, then stop the app and keep the deployment for later."""
        instance = self._instances.get(deployment_id)
        self._addresses.withdraw(deployment_id, ASLEEP)
        if instance is not None:
            await self._gateway.drain([instance], self._config.drain_timeout_s)
        await self.stop(deployment_id)
        await self._store.move(deployment_id, DeploymentStatus.SLEEPING, reason=reason)

    async def stop(self, deployment_id: str) -> None:
        """End a deployment's app, if one runs; the app ends also when the caller is cancelled."""
        with anyio.CancelScope(shield=True):
            # A watcher that starts its app again may leave another watcher behind.
            while watcher := self._watchers.pop(deployment_id, None):
                await watcher.abandon()
            instance = self._instances.pop(deployment_id, None)
            if instance is not None:
                self._addresses.withdraw(deployment_id, STOPPED)
                await self._gateway.drain([instance], 0)
                await self._runner.stop(instance)
                await self._store.set_instance(deployment_id, None)

    async def stop_all(self) -> None:
        """End every app; their deployments stay as they are and start again with the platform."""
        async with anyio.create_task_group() as stops:
            for deployment_id in list(self._instances):
                stops.start_soon(self.stop, deployment_id)

    def runs(self, deployment_id: str) -> bool:
        """Whether a deployment's app runs now."""
        return deployment_id in self._instances

    async def _deploying(self, deployment_id: str) -> Deployment:
        deployment = await self._store.deployment(deployment_id)
        if deployment is not None and deployment.status is DeploymentStatus.DEPLOYING:
            return deployment
        return await self._store.move(deployment_id, DeploymentStatus.DEPLOYING)

    async def _home(self, deployment: Deployment) -> Environment:
        """The environment whose variables and resources the app runs with."""
        environments = await self._store.environments(deployment.project_id)
        served = [e for e in environments if e.deployment_id == deployment.id]
        promoting = [e for e in environments if e.is_auto_promote_enabled]
        return (served or promoting or environments)[0]

    async def _publish(self, deployment: Deployment, instance: Instance) -> None:
        await self._addresses.open_deployment(deployment)
        self._addresses.publish(deployment.id, instance)
        for environment in await self._served_by(deployment):
            self._addresses.publish(environment.id, instance)

    def _begin_watch(self, deployment_id: str) -> None:
        self._watchers[deployment_id] = self._background.start(
            self._watch, deployment_id, self._instances[deployment_id]
        )

    async def _watch(self, deployment_id: str, instance: Instance) -> None:
        started_at = anyio.current_time()
        exit_code = await self._runner.wait(instance)
        if anyio.current_time() - started_at >= STEADY_AFTER_S:
            self._crashes.pop(deployment_id, None)
        with anyio.CancelScope(shield=True):
            await self._record_crash(deployment_id, instance, exit_code)
        await self._restart(deployment_id)

    async def _record_crash(self, deployment_id: str, instance: Instance, exit_code: int) -> None:
        ended = f"exited with code {exit_code}"
        if self._runner.out_of_memory(instance):
            ended = "was ended because it used more memory than it has"
        reason = f"The app {ended}; it is started again"
        self._instances.pop(deployment_id, None)
        await self._gateway.drain([instance], 0)
        await self._runner.stop(instance)
        await self._store.set_instance(deployment_id, None)
        deployment = await self._store.move(deployment_id, DeploymentStatus.CRASHING, reason=reason)
        await self._withdraw(deployment, reason)

    async def _restart(self, deployment_id: str) -> None:
        crashes = self._crashes.get(deployment_id, 0)
        for delay_s in RESTART_DELAYS_S[crashes:]:
            crashes += 1
            self._crashes[deployment_id] = crashes
            await anyio.sleep(delay_s)
            if await self.launch(deployment_id):
                await self.go_live(deployment_id)
                return
        reason = f"The app failed {crashes} times in a row and is not started again"
        deployment = await self._store.move(deployment_id, DeploymentStatus.ERROR, reason=reason)
        await self._withdraw(deployment, reason)

    async def _withdraw(self, deployment: Deployment, reason: str) -> None:
        self._addresses.withdraw(deployment.id, reason)
        for environment in await self._served_by(deployment):
            self._addresses.withdraw(environment.id, reason)

    async def _served_by(self, deployment: Deployment) -> list[Environment]:
        environments = await self._store.environments(deployment.project_id)
        return [e for e in environments if e.deployment_id == deployment.id]

    async def _adopt(self, deployment: Deployment) -> Instance | None:
        if deployment.instance is None:
            return None
        return await self._runner.adopt(deployment.instance)

    async def _spec(self, deployment: Deployment) -> LaunchSpec:
        environment = await self._home(deployment)
        settings = deployment.settings
        return LaunchSpec(
            deployment_id=deployment.id,
            release=release_from_json(deployment.release or {}),
            run_envs={**settings.get("runEnvs", {}), **environment.settings.get("runEnvs", {})},
            port=settings.get("port") or DEFAULT_PORT,
            memory_mb=environment.resources["memory"],
            cpu_millicores=environment.resources["cpu"],
            log_file=self._config.data_dir.app_log(deployment.id),
        )

    async def _fail(self, deployment_id: str, error: StartFailedError) -> None:
        await self._store.append_build_log(deployment_id, BUILD_LOG_STAGE, [str(error)])
        exited = isinstance(error, AppExitedError)
        status = DeploymentStatus.CRASHING if exited else DeploymentStatus.ERROR
        await self._store.move(deployment_id, status, reason=str(error))
