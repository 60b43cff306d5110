"""The replicas of one set: started, watched, restarted when they crash, scaled, stopped."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.engines.instances import to_json
from createos_mcp.platform.errors import StartFailedError, StorageError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import (
    Instance,
    LaunchSpec,
    Reason,
    Replica,
    ReplicaSet,
)
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.release_records import ImageRelease, Release
from createos_mcp.platform.run.conditions import StartCheck
from createos_mcp.platform.run.runner import BuildLog, Runner
from createos_mcp.platform.states import DeploymentStatus
from createos_mcp.platform.store.replica_sets import ReplicaSets
from createos_mcp.platform.timestamps import format_time

logger = logging.getLogger(__name__)

RESTART_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses before the restarts of a replica that keeps crashing; after the last it stays down."""

PORT_WATCH_S = 120.0
"""How long an app that listens elsewhere may take to listen on PORT after all."""

STEADY_AFTER_S = 60.0
"""A replica that ran this long starts again with the shortest pause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """How and when a replica ended by itself."""

    text: str
    at: str


class Replicas:
    """The running side of a replica set.

    Args:
        replica_set: What shall run.
        release: What was built of its deployment.
        start: When a replica counts as started.
        uid: The kernel's user of its project, where each project has one.
        log: Where the last words of a replica go that does not start.
        changed: Told whenever a replica comes or goes by itself, and which one has gone.
    """

    def __init__(
        self,
        replica_set: ReplicaSet,
        release: Release | ImageRelease,
        *,
        start: StartCheck,
        rows: ReplicaSets,
        runner: Runner,
        data_dir: DataDir,
        uid: int | None,
        background: Background,
        log: BuildLog,
        changed: Callable[["Replicas", Instance | None], Awaitable[None]],
    ) -> None:
        self.set = replica_set
        self._release = release
        self._check = start
        self._rows = rows
        self._runner = runner
        self._data_dir = data_dir
        self._uid = uid
        self._background = background
        self._log = log
        self._changed = changed
        self._running: dict[int, Instance] = {}
        self._starting: set[int] = set()
        self._down: dict[int, Reason] = {}
        self._lost: set[int] = set()
        self._leaving: list[Instance] = []
        self._crashes: dict[int, int] = {}
        self._watchers: dict[int, Work] = {}
        self.restarts = 0
        """How often a replica ended by itself since these began to run here."""
        self.last_exit: Exit | None = None

    @property
    def instances(self) -> list[Instance]:
        """The replicas that answer now."""
        return [self._running[number] for number in sorted(self._running)]

    @property
    def is_worker(self) -> bool:
        """Whether no address leads to them."""
        return self._release.worker

    @property
    def state(self) -> tuple[DeploymentStatus, Reason | None]:
        """What these replicas make of their deployment, and why."""
        if not self._down:
            awaited = self._starting and not self._running
            return DeploymentStatus.DEPLOYING if awaited else DeploymentStatus.DEPLOYED, None
        reason = next(iter(self._down.values()))
        if self._lost >= self._down.keys() and not self._running:
            return DeploymentStatus.ERROR, reason
        return DeploymentStatus.CRASHING, reason

    async def launch(self) -> None:
        """Start all replicas, and return once each of them answers.

        What the release runs before it takes over is run first, once for all of them.

        Raises:
            StartFailedError: One does not; none of them runs any more.
        """
        if self._release.before:
            await self._runner.prepare(self._spec(self.set.id, 1), log=self._log)
        await self._start_all(range(1, self.set.count + 1))

    def resume(self, living: Mapping[int, Instance] | None = None) -> None:
        """Begin to run without waiting for it; a replica that fails is tried again.

        Args:
            living: Replicas by their number that outlived the platform.
        """
        found = living or {}
        for number in range(1, self.set.count + 1):
            if number in found:
                self._watch(number, found[number])
            else:
                self._starting.add(number)
                self._watchers[number] = self._background.start(self._begin, number)

    async def scale(self, count: int) -> list[Instance]:
        """Start or give up replicas until there are `count`.

        Returns:
            Those given up: they still run, nothing leads to them, and `end` ends them.

        Raises:
            StartFailedError: A new one does not start; there are as many as before.
        """
        present = self.set.count
        await self._start_all(range(present + 1, count + 1))
        surplus = []
        for number in range(count + 1, present + 1):
            await self._abandon(number)
            if number in self._running:
                surplus.append(self._running.pop(number))
        self._leaving += surplus
        resources = {**self.set.resources, "replicas": count}
        await self._rows.resize(self.set.id, resources)
        self.set = replace(self.set, resources=resources)
        return surplus

    async def end(self, instance: Instance) -> None:
        """End one replica and forget it."""
        with anyio.CancelScope(shield=True):
            await self._runner.stop(instance)
            try:
                await self._rows.remove_replica(instance.replica_id)
            except StorageError as error:
                logger.warning("the row of a replica that ended could not be removed: %s", error)

    async def stop(self) -> None:
        """End every replica, also when the caller is cancelled."""
        with anyio.CancelScope(shield=True):
            for number in [*self._watchers]:
                await self._abandon(number)
            async with anyio.create_task_group() as stops:
                for instance in (*self._running.values(), *self._leaving):
                    stops.start_soon(self.end, instance)
            self._running.clear()
            self._leaving.clear()

    async def _start_all(self, numbers: range) -> None:
        """Start some replicas at the same time: all of them, or none."""
        started: dict[int, Instance] = {}
        errors: list[StartFailedError] = []

        async def start(number: int) -> None:
            try:
                started[number] = await self._start(number)
            except StartFailedError as error:
                errors.append(error)
                starts.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as starts:
                for number in numbers:
                    starts.start_soon(start, number)
        except BaseException:
            await self._end_all(started)
            raise
        if errors:
            await self._end_all(started)
            raise errors[0]
        for number, instance in started.items():
            self._watch(number, instance)

    async def _end_all(self, started: Mapping[int, Instance]) -> None:
        for instance in started.values():
            await self.end(instance)

    async def _start(self, number: int) -> Instance:
        replica_id = new_id()
        await self._rows.add_replica(self.set.id, replica_id, number)
        try:
            instance = await self._runner.start(self._spec(replica_id, number), log=self._log)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._rows.remove_replica(replica_id)
            raise
        try:
            await self._rows.set_instance(replica_id, to_json(instance))
        except BaseException:
            await self.end(instance)
            raise
        return instance

    def _spec(self, replica_id: str, number: int) -> LaunchSpec:
        return LaunchSpec(
            replica_id=replica_id,
            deployment_id=self.set.deployment_id,
            release=self._release,
            run_envs=self.set.run_envs,
            port=self.set.port,
            memory_mb=self.set.resources["memory"],
            cpu_millicores=self.set.resources["cpu"],
            log_file=self._data_dir.app_log(self.set.deployment_id, self.set.route_id, number),
            uid=self._uid,
            health_path=self._check.health_path,
            start_timeout_s=self._check.timeout_s,
            environment_id=self.set.environment_id,
        )

    def _watch(self, number: int, instance: Instance) -> None:
        self._running[number] = instance
        self._starting.discard(number)
        self._down.pop(number, None)
        self._watchers[number] = self._background.start(self._until_it_ends, number, instance)

    async def _until_it_ends(self, number: int, instance: Instance) -> None:
        started_at = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._prefer_port, number, instance)
            exit_code = await self._runner.wait(instance)
            tasks.cancel_scope.cancel()
        if anyio.current_time() - started_at >= STEADY_AFTER_S:
            self._crashes.pop(number, None)
        reason = Reason(
            code=ReasonCode.APP_EXITED, text=f"The app exited with code {exit_code}; restarting"
        )
        if self._runner.out_of_memory(instance):
            text = "The app was killed: out of memory; restarting"
            reason = Reason(code=ReasonCode.OUT_OF_MEMORY, text=text)
        self._running.pop(number, None)
        self._down[number] = reason
        self.restarts += 1
        text = reason.text.removesuffix("; restarting")
        self.last_exit = Exit(text=text, at=format_time(datetime.now(UTC)))
        with anyio.CancelScope(shield=True):
            await self._changed(self, instance)
            await self.end(instance)
        await self._restart(number)

    async def _prefer_port(self, number: int, instance: Instance) -> None:
        """Lead to PORT if it opens later than another port: that may be for metrics."""
        wanted = self.set.port
        if instance.port == wanted or not await self._runner.opens(instance, wanted, PORT_WATCH_S):
            return
        better = replace(instance, port=wanted)
        self._running[number] = better
        with suppress(StorageError):
            await self._rows.set_instance(instance.replica_id, to_json(better))
            note = f"The app listens on PORT now; port {instance.port} is not asked any more."
            await self._log("deploy", [note])
        await self._changed(self, None)

    async def _begin(self, number: int) -> None:
        if not await self._comes_up(number):
            await self._restart(number)

    async def _restart(self, number: int) -> None:
        for delay_s in RESTART_DELAYS_S[self._crashes.get(number, 0) :]:
            self._crashes[number] = self._crashes.get(number, 0) + 1
            await anyio.sleep(delay_s)
            if await self._comes_up(number):
                return
        failed = f"The app failed {self._crashes[number]} times in a row; no more restarts"
        self._down[number] = Reason(code=self._down[number].code, text=failed)
        self._lost.add(number)
        await self._changed(self, None)

    async def _comes_up(self, number: int) -> bool:
        try:
            instance = await self._start(number)
        except (StartFailedError, StorageError) as error:
            with suppress(StorageError):
                await self._log("deploy", [str(error)])
            code = error.code if isinstance(error, StartFailedError) else ReasonCode.START_FAILED
            self._down[number] = Reason(code=code, text=f"{error}; restarting")
            self._starting.discard(number)
            await self._changed(self, None)
            return False
        self._watch(number, instance)
        await self._changed(self, None)
        return True

    async def _abandon(self, number: int) -> None:
        """Stop looking after a replica; a watcher that started it again left another one behind."""
        while watcher := self._watchers.pop(number, None):
            await watcher.abandon()
        self._starting.discard(number)
        self._down.pop(number, None)
        self._lost.discard(number)


async def find_living(
    written: Sequence[Replica], sets: Mapping[str, ReplicaSet], runner: Runner, data_dir: DataDir
) -> Mapping[str, Mapping[int, Instance]]:
    """Replicas of these sets that outlived the platform, by set and number."""
    living: defaultdict[str, dict[int, Instance]] = defaultdict(dict)
    for replica in written:
        home = sets.get(replica.set_id)
        if home is not None and replica.instance and replica.number <= home.count:
            log_file = data_dir.app_log(home.deployment_id, home.route_id, replica.number)
            instance = await runner.adopt(replica.instance, log_file)
            if instance is not None:
                living[replica.set_id][replica.number] = instance
    return living
