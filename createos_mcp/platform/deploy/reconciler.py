"""Brings each environment to what is wanted of it: another deployment, other resources, its end."""

from collections.abc import Mapping

from createos_mcp.platform.background import Background
from createos_mcp.platform.deploy.releases import Releases
from createos_mcp.platform.errors import BuildFailedError, StartFailedError
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.models import Deployment, Environment, Reason
from createos_mcp.platform.run.replicas import Replicas
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.states import ASSIGNABLE, DeploymentStatus, EnvironmentStatus
from createos_mcp.platform.store.store import Store

GONE = "The deployment was deleted."


class EnvironmentReconciler:
    """Works off what the API has written down as wanted, one environment at a time each.

    What is wanted is read anew before each step, so that the newest wish is the one that comes
    about, also after a kill of the platform.
    """

    def __init__(
        self,
        *,
        store: Store,
        releases: Releases,
        supervisor: Supervisor,
        addresses: Addresses,
        background: Background,
    ) -> None:
        self._store = store
        self._releases = releases
        self._supervisor = supervisor
        self._addresses = addresses
        self._background = background

    def start_reconciling(self, environment: Environment) -> None:
        """Begin to bring an environment to what is wanted of it."""
        self._background.start(self._reconcile, environment.id)

    async def _reconcile(self, environment_id: str) -> None:
        async with self._supervisor.lock(environment_id):
            while await self._step(environment_id):
                pass

    async def _step(self, environment_id: str) -> bool:
        """Do one thing that is wanted; False when nothing is left to do."""
        environment = await self._store.environments.get(environment_id)
        if environment is None:
            return False
        if environment.status is EnvironmentStatus.DELETING:
            await self.remove(environment)
            return False
        if environment.next_deployment_id is not None:
            await self._promote(environment, environment.next_deployment_id)
            return True
        replicas = self._supervisor.active_at(environment_id)
        if replicas is None or _same(replicas.set.resources, environment.resources):
            await self._store.environments.mark_active(environment_id, environment.resources)
            return False
        await self._resize(environment, replicas)
        return True

    async def remove(self, environment: Environment) -> None:
        """Let go what runs in an environment, and forget it. The caller holds its lock."""
        await self._supervisor.empty(environment.id, "This environment was deleted.")
        await self._addresses.close(environment.id)
        await self._store.environments.remove(environment.id)

    async def _promote(self, environment: Environment, deployment_id: str) -> None:
        deployment = await self._store.deployments.get(deployment_id)
        if deployment is None or deployment.status not in ASSIGNABLE:
            await self._store.environments.abandon_next(environment.id, deployment_id, GONE)
            return
        try:
            await self._releases.ensure(deployment)
            await self._supervisor.replace(await self._fresh(deployment), environment)
        except (BuildFailedError, StartFailedError) as error:
            await self._store.deployments.append_build_log(deployment_id, "deploy", [str(error)])
            await self._store.environments.abandon_next(environment.id, deployment_id, str(error))
            if not self._supervisor.runs(deployment_id):
                await self._store.deployments.record_status(
                    deployment_id,
                    DeploymentStatus.CRASHING,
                    Reason(code=error.code, text=str(error)),
                )
            return
        await self._supervisor.publish_status(deployment_id)

    async def _resize(self, environment: Environment, replicas: Replicas) -> None:
        """Change only the count where the replicas run; anything else takes new ones."""
        present, wanted = replicas.set.resources, environment.resources
        try:
            if _same({**present, "replicas": wanted["replicas"]}, wanted):
                await self._supervisor.scale(replicas, wanted["replicas"])
            else:
                deployment = await self._store.deployments.get(replicas.set.deployment_id)
                if deployment is not None:
                    await self._supervisor.replace(deployment, environment)
            await self._supervisor.publish_status(replicas.set.deployment_id)
        except StartFailedError as error:
            await self._store.environments.reset_resources(
                environment.id, refused=wanted, resources=present, message=str(error)
            )

    async def _fresh(self, deployment: Deployment) -> Deployment:
        return await self._store.deployments.get(deployment.id) or deployment


def _same(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return dict(one) == dict(other)
