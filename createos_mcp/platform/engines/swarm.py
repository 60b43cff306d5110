"""Swarm: replicas of images on the machines of a Docker Swarm, looked after by the platform.

Each replica is a service with one task that the swarm does not restart. Those with services or
volumes of this machine run here; others of one deployment on different machines where they can.
"""

import asyncio
import contextlib
import logging
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
from anyio import to_thread
from typing_extensions import override

from createos_mcp.platform.engines.container_body import REPLICA, image_of, name_of
from createos_mcp.platform.engines.container_logs import FollowedLogs
from createos_mcp.platform.engines.container_relays import ContainerRelays
from createos_mcp.platform.engines.containers import NAME, FindLogin
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.engine_network import machine_network
from createos_mcp.platform.engines.firewall import WAY_OUT, close_to
from createos_mcp.platform.engines.image_engine import ImageEngine
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import PLATFORM, authorization
from createos_mcp.platform.engines.instances import KILLED
from createos_mcp.platform.engines.netns import open_socket_in
from createos_mcp.platform.engines.overlays import Overlays
from createos_mcp.platform.engines.service_body import DEPLOYMENT, service_body
from createos_mcp.platform.engines.swarm_services import NO_MANAGER, SwarmServices
from createos_mcp.platform.engines.swarm_view import SwarmWatch, Task
from createos_mcp.platform.errors import (
    EngineAwayError,
    EngineRefusedError,
    InvalidRequestError,
    StartFailedError,
)
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.paths import DataDir

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_END_POLL_S = 0.2
_WAIT_S = 0.5
_AWAY_PAUSE_S = 1.0
_PLACED_WITHIN_S = 15.0
"""How long a task may find no machine."""

_STARTED_WITHIN_S = 900.0
"""A machine may have to pull the image first."""

_STOP_MARGIN_S = 30.0
_CLOSED_WITHIN_S = 5.0


class Swarm(ImageEngine):
    """Runs image releases on a swarm that this machine manages; an async context manager.

    Args:
        api: The manager, the engine of this machine.
        find_login: Tells what a registry is asked with for a deployment.
        platform_id: Tells this platform's services from those of others.
        grace_s: How long a replica may take to end once it was asked to.
        forbidden: Networks that replicas of this machine have no way to.
        permitted: What of them they may reach all the same.
    """

    def __init__(
        self,
        *,
        api: DockerApi,
        find_login: FindLogin,
        platform_id: str,
        data_dir: DataDir,
        grace_s: float,
        forbidden: Sequence[str],
        permitted: Sequence[str],
    ) -> None:
        super().__init__(data_dir, FollowedLogs(api, lambda one: f"services/{one.service_id}/logs"))
        self._services = SwarmServices(api)
        self._find_login = find_login
        self._platform_id = platform_id
        self._grace_s = grace_s
        self._forbidden = forbidden
        self._permitted = permitted
        self._is_closed_off = False
        self._watch = SwarmWatch(api, platform_id)
        self._overlays = Overlays(api, platform_id)
        self._placing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._own: set[str] = set()
        """IDs of the replicas that are looked after."""

    @override
    async def _close(self) -> None:
        if self._overlays.were_used:
            with contextlib.suppress(EngineAwayError, EngineRefusedError):
                await self._overlays.remove_all_empty(_CLOSED_WITHIN_S)

    async def adopt(self, instance: Instance, log_file: Path) -> Instance | None:
        """The same replica, if it still runs; the platform may be on another machine by now."""
        found = replace(instance, run_dir=self._data_dir.run(instance.replica_id))
        try:
            view = await self._watch.look()
            task = view.tasks.get(instance.service_id)
            if task is None or not view.is_running(instance.service_id):
                return None
            found = replace(found, process=await self._services.process_of(task))
        except EngineRefusedError as error:
            if NO_MANAGER in str(error):
                return None
            logger.warning("the swarm does not say how it is: %s", error)
        except EngineAwayError:
            logger.warning("the manager of the swarm does not answer")
        self._overlays.count(instance.network)
        self._own.add(instance.replica_id)
        self._logs.follow(found, self._tasks, log_file)
        self._tasks.start_soon(self._close_off)
        return found

    async def end_strays(self, replica_ids: Collection[str]) -> None:
        """Remove every replica of this platform that nothing here looks after."""
        del replica_ids  # what was never written down has to go, too
        with contextlib.suppress(EngineAwayError, EngineRefusedError):
            label = f"{PLATFORM}={self._platform_id}"
            for service_id, labels in (await self._services.ids_by_label(label)).items():
                if labels.get(REPLICA) not in self._own:
                    await self._remove(service_id)
            await self._overlays.remove_all_empty(within_s=0)

    async def is_running(self, instance: Instance) -> bool:
        """Whether it runs, as far as the swarm says."""
        try:
            return (await self._watch.look(_POLL_S)).is_running(instance.service_id)
        except (EngineAwayError, EngineRefusedError):
            return True

    @override
    async def wait(self, instance: Instance) -> int:
        """The exit code, once it has ended; one whose machine is gone was killed."""
        while True:
            try:
                view = await self._watch.look(_WAIT_S)
            except (EngineAwayError, EngineRefusedError):
                await anyio.sleep(_AWAY_PAUSE_S)
                continue
            if view.is_over(instance.service_id):
                break
            await anyio.sleep(_WAIT_S)
        task = view.tasks.get(instance.service_id)
        if task is None or task.ending is None:
            return KILLED
        if task.ending and await self._services.was_out_of_memory(task):
            self._out_of_memory.add(instance.replica_id)
        return task.ending

    @override
    async def end(self, instance: Instance, *, grace_s: float) -> None:
        """End a replica and remove it, once all that it printed is kept."""
        with (
            contextlib.suppress(EngineRefusedError, EngineAwayError),
            anyio.move_on_after(grace_s + _STOP_MARGIN_S),
        ):
            if not grace_s:
                task = (await self._watch.look()).tasks.get(instance.service_id)
                if task is not None and instance.process.is_running():
                    await self._services.kill(task)
            await self._services.scale_to_none(instance.service_id)
            while (view := await self._watch.look(_END_POLL_S)).tasks.get(instance.service_id):
                if not view.has_process(instance.service_id):
                    break
                await anyio.sleep(_END_POLL_S)
        await self._drain(instance)
        await self._remove(instance.service_id)
        self._own.discard(instance.replica_id)
        await self._forget(instance)
        self._leave(instance.network)

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, in the replica's overlay.

        Raises:
            OSError: The overlay cannot be entered.
        """
        try:
            anchor = await self._overlays.anchor(instance.network)
        except (EngineAwayError, EngineRefusedError) as error:
            raise ConnectionError(str(error)) from error
        # It takes no time, and a socket that is made is given to somebody who closes it.
        with anyio.CancelScope(shield=True):
            made = await to_thread.run_sync(open_socket_in, anchor.pid, family)
        return made  # noqa: RET504 - mypy takes the scope for one that may end early

    async def ports(self, instance: Instance) -> Sequence[int]:
        """The port that it was told: what listens on another machine is not seen from here."""
        return [instance.port]

    async def last_words(self, instance: Instance) -> list[str]:
        """All that it has to say is in its log."""
        await self._drain(instance)
        return []

    @override
    async def _start(self, spec: LaunchSpec, *, command: Sequence[str] | None) -> Instance:
        network = Overlays.name_of(spec.environment_id or spec.deployment_id)
        await self._overlays.enter(network)
        # The bridge is there since the anchor is.
        await self._close_off()
        self._own.add(spec.replica_id)
        try:
            service_id, task = await self._place(spec, network, command)
            if task is not None and task.is_lost:
                # A busy machine may lose a container before its start, and not the next one.
                await self._remove(service_id)
                service_id, task = await self._place(spec, network, command)
            return await self._instance(spec, network, service_id, task)
        except BaseException:
            with anyio.CancelScope(shield=True):
                # By name: it may have been made though nobody was told.
                await self._remove(name_of(spec.replica_id))
                self._own.discard(spec.replica_id)
                self._leave(network)
            raise

    async def _place(
        self, spec: LaunchSpec, network: str, command: Sequence[str] | None
    ) -> tuple[str, Task | None]:
        """Make a service; its ID, and its task once it started or never will."""
        async with self._placing[spec.deployment_id]:
            service_id = await self._create(spec, network, command)
            task = await self._until(service_id, lambda one: one.is_placed, _PLACED_WITHIN_S)
        if task is not None and task.is_placed:
            task = await self._until(service_id, lambda one: not one.is_starting, _STARTED_WITHIN_S)
        return service_id, task

    async def _instance(
        self, spec: LaunchSpec, network: str, service_id: str, task: Task | None
    ) -> Instance:
        if task is None:
            raise StartFailedError("The swarm made no task of it")
        if task.is_starting or task.is_refused:
            raise StartFailedError(task.why_not)
        nodes = (await self._watch.look()).nodes
        process = await self._services.process_of(task)
        instance = Instance(
            replica_id=spec.replica_id,
            process=process,
            run_dir=self._data_dir.run(spec.replica_id),
            port=spec.port,
            isolation=NAME,
            limits="cgroup",
            service_id=service_id,
            network=network,
            # Without one nothing is there to connect to: it has ended.
            address=task.addresses.get(network, "0.0.0.0"),  # noqa: S104
            node=nodes[task.node_id].name if task.node_id in nodes else "",
        )
        if spec.ways and process.is_running():
            relays = ContainerRelays(spec.ways, spec.uid)
            await relays.enter(process.pid)
            self._relays[spec.replica_id] = relays
        self._logs.follow(instance, self._tasks, spec.log_file)
        return instance

    async def _create(self, spec: LaunchSpec, network: str, command: Sequence[str] | None) -> str:
        body = service_body(
            spec,
            self._platform_id,
            command=command,
            network=network,
            constraints=await self._constraints(spec),
            grace_s=self._grace_s,
        )
        try:
            reference = ImageReference.parse(image_of(spec).image)
            login = await self._find_login(spec.deployment_id, reference)
        except InvalidRequestError:
            login = None  # the ID of an image that was built here
        return await self._services.create(body, authorization(login))

    async def _constraints(self, spec: LaunchSpec) -> list[str]:
        """Where it may run: here if it needs what is here, else not beside others of its kind."""
        if spec.ways or spec.mounts:
            return [f"node.id == {await self._services.own_node()}"]
        siblings = await self._services.ids_by_label(f"{DEPLOYMENT}={spec.deployment_id}")
        crowded = (await self._watch.look(0)).more_used_than_others(siblings)
        return [f"node.id != {node}" for node in crowded]

    async def _until(
        self, service_id: str, is_so: Callable[[Task], bool], within_s: float
    ) -> Task | None:
        """A service's task as soon as something is so of it; as it is then when it never is."""
        task, pause_s = None, _POLL_S
        with anyio.move_on_after(within_s):
            while True:
                task = (await self._watch.look(pause_s)).tasks.get(service_id)
                if task is not None and is_so(task):
                    break
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 1.2, _WAIT_S)
        return task

    async def _remove(self, service: str) -> None:
        """Remove a service, if need be later: nobody else would."""
        if not await self._services.is_removed(service):
            self._tasks.start_soon(self._remove_later, service)

    async def _remove_later(self, service: str) -> None:
        while not await self._services.is_removed(service):  # noqa: ASYNC110 - it sends no event
            await anyio.sleep(_AWAY_PAUSE_S)

    async def _drain(self, instance: Instance) -> None:
        """Keep what is left of its log; a machine that is gone has nothing to tell."""
        with contextlib.suppress(EngineAwayError, EngineRefusedError):
            view = await self._watch.look()
            task = view.tasks.get(instance.service_id)
            if task is not None and view.answers(task.node_id):
                await self._logs.drain(instance)

    async def _close_off(self) -> None:
        """Close the way from this machine's replicas to it, and to private networks."""
        if self._is_closed_off:
            return
        engine = await to_thread.run_sync(machine_network)
        rules = (WAY_OUT, self._forbidden, self._permitted, engine)
        self._is_closed_off = await to_thread.run_sync(close_to, *rules)
        if not self._is_closed_off:
            logger.warning("replicas reach this machine's services: iptables cannot be used")

    def _leave(self, network: str) -> None:
        self._overlays.leave(network)
        self._tasks.start_soon(self._overlays.remove_empty, network)
