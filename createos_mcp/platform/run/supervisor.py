"""Every replica set that runs, and which of them answers at which address."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import anyio

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.background import Background
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StorageError
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.models import (
    Deployment,
    Environment,
    Instance,
    Reason,
    ReplicaSet,
)
from createos_mcp.platform.release_records import release_from_json
from createos_mcp.platform.run.conditions import StartCheck, conditions_of, is_wanted
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.run.replicas import Replicas, find_living
from createos_mcp.platform.run.runner import BuildLog, Runner
from createos_mcp.platform.states import LIVE, DeploymentStatus
from createos_mcp.platform.store.store import Store
from createos_mcp.platform.timestamps import format_time

SUPERSEDED = Reason(code=ReasonCode.SUPERSEDED, text="Another deployment has replaced it")
ASLEEP = "The deployment is asleep. WakeupDeployment starts it."
STARTING = "The app is starting."
EMPTY = "Nothing is deployed to this environment."
WORKER = "The app is a worker: it answers no requests."
STOPPED = Reason(code=ReasonCode.STOPPED, text="It was stopped. RestartEnvironment starts it")

_MAY_RUN = frozenset({*LIVE, DeploymentStatus.DEPLOYING})


def build_log(store: Store, deployment_id: str) -> BuildLog:
    """Where the lines of a deployment's build log go."""

    async def append(stage: str, lines: Sequence[str]) -> None:
        await store.deployments.append_build_log(deployment_id, stage, lines)

    return append


class Supervisor:
    """Starts replica sets at routes, leads addresses to them, and lets them go.

    A route is an environment, or a deployment at its own address; each has one set at most that
    answers there. Whoever changes what a route runs holds its lock.
    """

    def __init__(
        self,
        *,
        store: Store,
        users: ProjectUsers,
        runner: Runner,
        addresses: Addresses,
        gateway: Gateway,
        config: PlatformConfig,
        background: Background,
    ) -> None:
        self._store = store
        self._users = users
        self._runner = runner
        self._addresses = addresses
        self._gateway = gateway
        self._config = config
        self._background = background
        self._sets: dict[str, Replicas] = {}
        self._at: dict[str, Replicas] = {}
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def lock(self, route_id: str) -> anyio.Lock:
        """Held while it changes what runs at a route."""
        return self._locks[route_id]

    def active_at(self, route_id: str) -> Replicas | None:
        """What answers at a route."""
        return self._at.get(route_id)

    def runs(self, deployment_id: str) -> bool:
        """Whether a deployment has replicas anywhere."""
        return bool(self.sets_of(deployment_id))

    def running(self) -> list[Replicas]:
        """Every set that answers somewhere, in the order in which they began to."""
        return list(self._at.values())

    async def awake_projects(self) -> set[str]:
        """Projects that have something which runs anywhere, or is about to."""
        ids = {replicas.set.deployment_id for replicas in self._sets.values()}
        found = [await self._store.deployments.get(one) for one in ids]
        return {deployment.project_id for deployment in found if deployment is not None}

    def sets_of(self, deployment_id: str) -> list[Replicas]:
        """What answers of a deployment, at any route."""
        return [r for r in self._at.values() if r.set.deployment_id == deployment_id]

    def instances_of(self, deployment_id: str) -> list[Instance]:
        """The replicas of a deployment that answer now, at any route."""
        return [one for replicas in self.sets_of(deployment_id) for one in replicas.instances]

    async def replace(self, deployment: Deployment, environment: Environment | None) -> None:
        """Start a deployment at a route, lead its address there, and let go what was there.

        Raises:
            StartFailedError: It does not start; what was there goes on.
        """
        await self._users.uid_of(deployment.project_id)  # before anything is written
        await self._show_start(deployment.id)
        replicas = await self._add(deployment, environment)
        try:
            await replicas.launch()
            if environment is not None:
                await self._store.environments.set_deployment(environment.id, deployment.id)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._forget(replicas)
            raise
        former = self._at.pop(replicas.set.route_id, None)
        self._at[replicas.set.route_id] = replicas
        await self._publish(replicas)
        if former is not None:
            self._background.start(self._retire, former, SUPERSEDED)
        if environment is not None and deployment.id in self._at:
            self._background.start(self._end_own, deployment.id)

    async def wake(self, route_id: str) -> None:
        """Begin to run what belongs at a route, unless it runs; requests are held until it does."""
        async with self.lock(route_id):
            if route_id in self._at:
                await self._publish(self._at[route_id])
                return
            environment, deployment = await self._belonging_at(route_id)
            if deployment is None:
                self._gateway.make_unavailable(route_id, EMPTY)
                return
            if environment is not None and environment.is_stopped:
                return
            if (objection := await self._users.objection(deployment.project_id)) is not None:
                self._gateway.make_unavailable(route_id, objection)
                return
            await self._show_start(deployment.id)
            replicas = await self._add(deployment, environment)
            self._at[route_id] = replicas
            await self._hold(route_id)
            replicas.resume()

    async def sleep(self, route_id: str, reason: Reason) -> None:
        """Give back what a route uses; the next request there is held while it wakes."""
        async with self.lock(route_id):
            replicas = self._at.pop(route_id, None)
            if replicas is not None:
                await self._hold(route_id)
                await self._retire(replicas, reason)

    async def halt(self, environment_id: str) -> None:
        """End what an environment runs; no request starts it until a version is started there."""
        async with self.lock(environment_id):
            await self._store.environments.set_stopped(environment_id, is_stopped=True)
            self._gateway.make_unavailable(environment_id, f"{STOPPED.text}.")
            replicas = self._at.pop(environment_id, None)
            if replicas is not None:
                await self._retire(replicas, STOPPED)

    async def empty(self, route_id: str, reason: str) -> None:
        """Let go what runs at a route, and answer 503 there. The caller holds its lock."""
        self._gateway.make_unavailable(route_id, reason)
        replicas = self._at.pop(route_id, None)
        if replicas is not None:
            await self._retire(replicas, SUPERSEDED)

    async def scale(self, replicas: Replicas, count: int) -> None:
        """Change the number of replicas where they run.

        Raises:
            StartFailedError: A new one does not start; there are as many as before.
        """
        surplus = await replicas.scale(count)
        await self._publish(replicas)
        self._background.start(self._let_go, replicas, surplus)

    async def stop(self, deployment_id: str) -> None:
        """End all that runs of a deployment, at once."""
        for replicas in [r for r in self._sets.values() if r.set.deployment_id == deployment_id]:
            if self._at.get(replicas.set.route_id) is replicas:
                del self._at[replicas.set.route_id]
                self._gateway.make_unavailable(replicas.set.route_id, EMPTY)
            await self._gateway.drain(replicas.instances, 0)
            await self._forget(replicas)

    async def stop_all(self) -> None:
        """End every app; what shall run stays written down and starts again with the platform."""
        async with anyio.create_task_group() as stops:
            for replicas in self._sets.values():
                stops.start_soon(replicas.stop)

    async def recover(self, environments: Sequence[Environment]) -> None:
        """Go on with what shall run: find what outlived the platform, start what did not."""
        deployments = {d.id: d for d in await self._store.deployments.in_status(_MAY_RUN)}
        homes = {environment.id: environment for environment in environments}
        sets = await self._store.replica_sets.all()
        may_run = {d.id: await self._users.may_run(d.project_id) for d in deployments.values()}
        wanted = {
            s.route_id: s
            for s in sets
            if is_wanted(s, deployments, homes) and may_run[s.deployment_id]
        }
        written = await self._store.replica_sets.replicas()
        sets_by_id = {one.id: one for one in wanted.values()}
        living = await find_living(written, sets_by_id, self._runner, self._config.data_dir)
        for replica_set in wanted.values():
            found = living.get(replica_set.id, {})
            await self._resume(replica_set, deployments[replica_set.deployment_id], found)
        kept = {i.replica_id for found in living.values() for i in found.values()}
        strays = [replica.id for replica in written if replica.id not in kept]
        unwanted = [s.id for s in sets if s not in wanted.values()]
        await self._runner.end_strays(strays)
        await self._store.replica_sets.clear_away(unwanted, strays)
        for deployment in deployments.values():
            if deployment.live_at is not None or self.runs(deployment.id):
                await self.publish_status(deployment.id)
        for environment in environments:
            await self._rest(environment)

    async def publish_status(self, deployment_id: str, asleep: Reason = SUPERSEDED) -> None:
        """Let a deployment's state say how its replicas are.

        Args:
            deployment_id: One that has been built.
            asleep: Why it sleeps, if nothing of it runs.
        """
        states = [r.state for r in self.running() if r.set.deployment_id == deployment_id]
        statuses = {status for status, _ in states}
        if not states:
            await self._store.deployments.record_status(
                deployment_id, DeploymentStatus.SLEEPING, asleep
            )
        elif len(statuses) == 1:
            await self._store.deployments.record_status(deployment_id, *states[0])
        elif DeploymentStatus.CRASHING in statuses or DeploymentStatus.ERROR in statuses:
            reason = next(reason for _, reason in states if reason)
            await self._store.deployments.record_status(
                deployment_id, DeploymentStatus.CRASHING, reason
            )
        else:
            await self._store.deployments.record_status(
                deployment_id, DeploymentStatus.DEPLOYED, None
            )

    async def _show_start(self, deployment_id: str) -> None:
        if not self.runs(deployment_id):
            await self._store.deployments.record_status(
                deployment_id, DeploymentStatus.DEPLOYING, None
            )

    async def _add(self, deployment: Deployment, environment: Environment | None) -> Replicas:
        conditions = conditions_of(deployment, environment)
        replica_set = await self._store.replica_sets.add(
            deployment_id=deployment.id,
            environment_id=environment.id if environment is not None else None,
            run_envs=conditions.run_envs,
            port=conditions.port,
            resources=conditions.resources,
            created_at=format_time(datetime.now(UTC)),
        )
        return await self._run(replica_set, deployment)

    async def _run(self, replica_set: ReplicaSet, deployment: Deployment) -> Replicas:
        replicas = self._sets[replica_set.id] = Replicas(
            replica_set,
            release_from_json(deployment.release or {}),
            start=StartCheck.of(deployment.settings),
            rows=self._store.replica_sets,
            runner=self._runner,
            data_dir=self._config.data_dir,
            uid=await self._users.uid_of(deployment.project_id),
            background=self._background,
            log=build_log(self._store, deployment.id),
            changed=self._on_change,
        )
        return replicas

    async def _resume(
        self, replica_set: ReplicaSet, deployment: Deployment, living: Mapping[int, Instance]
    ) -> None:
        replicas = await self._run(replica_set, deployment)
        self._at[replica_set.route_id] = replicas
        await self._hold(replica_set.route_id)
        replicas.resume(living)
        if living:
            await self._publish(replicas)

    async def _rest(self, environment: Environment) -> None:
        """Say at an address why nothing runs there, or hold requests while it wakes."""
        if environment.id in self._at or environment.deployment_id is None:
            return
        deployment = await self._store.deployments.get(environment.deployment_id)
        if deployment is None:
            return
        if deployment.status is DeploymentStatus.ERROR:
            self._gateway.make_unavailable(environment.id, deployment.reason or ASLEEP)
        else:
            await self._hold(environment.id)

    async def _hold(self, route_id: str) -> None:
        """Let requests at a route wait until something answers there; a worker never does."""
        environment, deployment = await self._belonging_at(route_id)
        if environment is not None and environment.is_stopped:
            self._gateway.make_unavailable(route_id, f"{STOPPED.text}.")
            return
        if deployment is not None and deployment.is_worker:
            self._gateway.make_unavailable(route_id, WORKER)
            return
        if environment is None and deployment is not None:
            await self._addresses.open_deployment(route_id)
        self._gateway.hold(route_id, partial(self.wake, route_id))

    async def _belonging_at(self, route_id: str) -> tuple[Environment | None, Deployment | None]:
        """The environment of a route, if it has one, and the deployment that belongs there."""
        environment = await self._store.environments.get(route_id)
        deployment_id = environment.deployment_id if environment else route_id
        return environment, await self._store.deployments.get(deployment_id or "")

    async def _publish(self, replicas: Replicas) -> None:
        route_id, deployment_id = replicas.set.route_id, replicas.set.deployment_id
        if replicas.is_worker:
            self._gateway.make_unavailable(route_id, WORKER)
            return
        await self._addresses.open_deployment(deployment_id)
        self._lead(route_id, replicas)
        if deployment_id not in self._at:
            self._lead(deployment_id, replicas)

    def _lead(self, owner_id: str, replicas: Replicas) -> None:
        status, reason = replicas.state
        if replicas.instances:
            self._gateway.publish(owner_id, replicas.instances)
        elif status is not DeploymentStatus.DEPLOYING:
            self._gateway.make_unavailable(owner_id, reason.text if reason else STARTING)

    async def _on_change(self, replicas: Replicas, gone: Instance | None) -> None:
        if self._at.get(replicas.set.route_id) is replicas:
            await self._publish(replicas)
            with suppress(StorageError):
                await self.publish_status(replicas.set.deployment_id)
        if gone is not None:
            await self._gateway.drain([gone], 0)

    async def _end_own(self, deployment_id: str) -> None:
        """Let a deployment's own set go, now that an environment runs it."""
        async with self.lock(deployment_id):
            own = self._at.pop(deployment_id, None)
            if own is not None:
                await self._retire(own, SUPERSEDED)

    async def _retire(self, replicas: Replicas, reason: Reason) -> None:
        """Let requests in flight finish, then end a set that nothing leads to any more."""
        deployment_id = replicas.set.deployment_id
        others = [r for r in self.running() if r.set.deployment_id == deployment_id]
        if others:
            await self._publish(others[0])
        else:
            self._gateway.make_unavailable(deployment_id, ASLEEP)
        await self._gateway.drain(replicas.instances, self._config.drain_timeout_s)
        await self._forget(replicas)
        await self.publish_status(deployment_id, reason)

    async def _let_go(self, replicas: Replicas, surplus: Sequence[Instance]) -> None:
        await self._gateway.drain(surplus, self._config.drain_timeout_s)
        for instance in surplus:
            await replicas.end(instance)

    async def _forget(self, replicas: Replicas) -> None:
        with anyio.CancelScope(shield=True):
            await replicas.stop()
            await self._store.replica_sets.remove(replicas.set.id)
            self._sets.pop(replicas.set.id, None)
