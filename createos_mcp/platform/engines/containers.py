"""Containers: replicas of images, run by Docker and looked after by the platform."""

import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio import to_thread
from typing_extensions import override

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.container_body import (
    NETWORK,
    REPLICA,
    container_body,
    image_of,
    name_of,
)
from createos_mcp.platform.engines.container_logs import FollowedLogs
from createos_mcp.platform.engines.container_relays import ContainerRelays
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.engine_network import EngineNetwork, network_of
from createos_mcp.platform.engines.firewall import (
    BRIDGE_NAME,
    bridge_name,
    bridge_of,
    close_to,
    resolver_of,
    separate,
)
from createos_mcp.platform.engines.image_engine import ImageEngine
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import PLATFORM, Images
from createos_mcp.platform.engines.instances import KILLED
from createos_mcp.platform.engines.netns import open_socket_in
from createos_mcp.platform.engines.rootless_networks import RootlessNetworks
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.processes import ProcessId
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.sandbox.process_table import listening_ports_of
from createos_mcp.platform.store.registry_credentials import RegistryLogin

logger = logging.getLogger(__name__)

NAME = "container"
FindLogin: TypeAlias = Callable[[str, ImageReference], Awaitable[RegistryLogin | None]]

_NOT_FOUND = 404
_AWAY_PAUSE_S = 1.0
_STOP_MARGIN_S = 30


class Containers(ImageEngine):
    """Runs image releases, each replica in a container of its own; an async context manager.

    Args:
        api: The engine.
        images: What pulls an image again that is gone.
        find_login: Tells what a registry is asked with for a deployment.
        platform_id: Tells this platform's containers from those of others.
        forbidden: Networks that containers have no way to.
        permitted: What of them they may reach all the same.
    """

    def __init__(
        self,
        *,
        api: DockerApi,
        images: Images,
        find_login: FindLogin,
        platform_id: str,
        data_dir: DataDir,
        forbidden: Sequence[str],
        permitted: Sequence[str],
    ) -> None:
        super().__init__(
            data_dir, FollowedLogs(api, lambda one: f"containers/{one.container_id}/logs")
        )
        self._api = api
        self._images = images
        self._find_login = find_login
        self._platform_id = platform_id
        self._network: EngineNetwork | None = None
        self._forbidden = forbidden
        self._permitted = permitted
        self._bridge = ""
        self._has_limits = True
        self._rootless = RootlessNetworks()
        self._open_socket = self._rootless.open_socket if os.geteuid() else open_socket_in
        self._find_ports = self._rootless.ports if os.geteuid() else listening_ports_of

    @override
    async def _close(self) -> None:
        await to_thread.run_sync(self._rootless.close)

    @override
    async def _start(self, spec: LaunchSpec, *, command: Sequence[str] | None) -> Instance:
        network = await self._ensure_network()
        release = image_of(spec)
        created = await self._create(spec, release, command=command)
        relays = ContainerRelays(spec.ways, spec.uid) if spec.ways else None
        try:
            await self._api.start_container(created)
            await to_thread.run_sync(separate, self._bridge, network)
            shown = await self._api.call("GET", f"containers/{created}/json")
            state = shown["State"]
            if spec.outlet is not None:
                relays = ContainerRelays((), None, (spec.outlet, _address(shown), spec.port))
            if relays is not None:
                await relays.enter(int(state["Pid"]))
        except BaseException:
            # Also where the platform ends meanwhile: nobody would look after it.
            with anyio.CancelScope(shield=True):
                await self._remove(created)
            raise
        if relays is not None:
            self._relays[spec.replica_id] = relays
        return self._instance(spec, created, state)

    def _instance(self, spec: LaunchSpec, container_id: str, state: Mapping[str, Json]) -> Instance:
        try:
            process = ProcessId.of(int(state["Pid"]))
        except ProcessLookupError:
            process = ProcessId(pid=0, started=0, boot_id="")
        instance = Instance(
            replica_id=spec.replica_id,
            process=process,
            run_dir=self._data_dir.run(spec.replica_id),
            port=spec.port,
            isolation=NAME,
            limits="cgroup" if self._has_limits else "none",
            container_id=container_id,
            started_at=str(state["StartedAt"]),
        )
        self._logs.follow(instance, self._tasks, spec.log_file)
        return instance

    async def adopt(self, instance: Instance, log_file: Path) -> Instance | None:
        """The same container, if it is the one that was started and runs."""
        try:
            shown = await self._api.call("GET", f"containers/{instance.container_id}/json")
            state = shown["State"]
            if not state["Running"] or state["StartedAt"] != instance.started_at:
                return None
        except EngineRefusedError:
            return None
        except EngineAwayError:
            # Containers outlive their engine: what counts is whether the process runs.
            if not instance.process.is_running():
                return None
        self._logs.follow(instance, self._tasks, log_file)
        return instance

    async def end_strays(self, replica_ids: Collection[str]) -> None:
        """Remove what is left of replicas that nobody looks after any more."""
        with contextlib.suppress(EngineAwayError, EngineRefusedError):
            label = f"{PLATFORM}={self._platform_id}"
            rows = await self._api.call(
                "GET", "containers/json", all="1", filters={"label": [label]}
            )
            for row in rows:
                if row["Labels"].get(REPLICA) in replica_ids:
                    await self._remove(row["Id"])

    @override
    async def wait(self, instance: Instance) -> int:
        """The exit code, once the container has ended; an engine that is away ends nothing."""
        while True:
            try:
                path = f"containers/{instance.container_id}"
                await self._api.call("POST", f"{path}/wait", lasts=True)
                state = (await self._api.call("GET", f"{path}/json"))["State"]
            except EngineRefusedError:
                return KILLED
            except EngineAwayError:
                await anyio.sleep(_AWAY_PAUSE_S)
                continue
            if state["Running"] and state["StartedAt"] == instance.started_at:
                continue
            if state.get("OOMKilled"):
                self._out_of_memory.add(instance.replica_id)
            return int(state["ExitCode"])

    async def is_running(self, instance: Instance) -> bool:
        """Whether it runs, as far as the engine says."""
        try:
            shown = await self._api.call("GET", f"containers/{instance.container_id}/json")
        except EngineRefusedError:
            return False
        except EngineAwayError:
            return True
        return bool(shown["State"]["Running"])

    @override
    async def end(self, instance: Instance, *, grace_s: float) -> None:
        """End a container and remove it, once all that it printed is kept."""
        with (
            contextlib.suppress(EngineRefusedError, EngineAwayError),
            anyio.move_on_after(grace_s + _STOP_MARGIN_S),
        ):
            path = f"containers/{instance.container_id}/stop"
            await self._api.call("POST", path, lasts=True, t=str(int(grace_s)))
        await self._logs.drain(instance)
        await self._remove(instance.container_id)
        await self._forget(instance)

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to the container's network.

        Raises:
            OSError: The container has ended.
        """
        if not instance.process.is_running():
            raise ConnectionError("the container has ended")
        # It takes no time, and a socket that is made is given to somebody who closes it.
        with anyio.CancelScope(shield=True):
            made = await to_thread.run_sync(self._open_socket, instance.process.pid, family)
        return made  # noqa: RET504 - mypy takes the scope for one that may end early

    async def ports(self, instance: Instance) -> Sequence[int]:
        """TCP ports that it listens on."""
        with contextlib.suppress(OSError):
            return await to_thread.run_sync(self._find_ports, instance.process.pid)
        return []

    async def last_words(self, instance: Instance) -> list[str]:
        """All that a container has to say is in its log."""
        await self._logs.drain(instance)
        return []

    async def _create(
        self, spec: LaunchSpec, release: ImageRelease, *, command: Sequence[str] | None
    ) -> str:
        body = container_body(spec, release, self._platform_id, command or release.command)
        name = name_of(spec.replica_id)
        try:
            made = await self._api.call("POST", "containers/create", body=body, name=name)
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            reference = ImageReference.parse(release.image)
            login = await self._find_login(spec.deployment_id, reference)
            await self._images.ensure(release.image, login)
            made = await self._api.call("POST", "containers/create", body=body, name=name)
        return str(made["Id"])

    async def _ensure_network(self) -> EngineNetwork:
        """Where there is one bridge, on which containers do not reach one another."""
        if self._network is not None and self._network == await self._find_engine():
            return self._network
        body = {
            "Name": NETWORK,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Options": {
                "com.docker.network.bridge.enable_icc": "false",
                BRIDGE_NAME: bridge_name(self._api.host),
            },
        }
        try:
            network = await self._api.call("GET", f"networks/{NETWORK}")
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            with contextlib.suppress(EngineRefusedError):
                await self._api.call("POST", "networks/create", body=body)
            network = await self._api.call("GET", f"networks/{NETWORK}")
        self._bridge = bridge_of(network, self._api.host)
        self._has_limits = (await self._api.info()).get("CgroupDriver") != "none"
        engine = await self._find_engine()
        rules = (
            self._bridge,
            self._forbidden,
            self._permitted,
            engine,
            resolver_of(network),
        )
        if not await to_thread.run_sync(close_to, *rules):
            logger.warning("containers reach this machine's services: iptables cannot be used")
        self._network = engine
        return engine

    async def _find_engine(self) -> EngineNetwork:
        """Where its network is: a rootless engine that begins anew has another one."""
        try:
            return await to_thread.run_sync(network_of, self._api.host)
        except OSError as error:
            raise EngineAwayError(self._api.host, str(error)) from error

    async def _remove(self, container_id: str) -> None:
        with contextlib.suppress(EngineRefusedError, EngineAwayError):
            await self._api.call("DELETE", f"containers/{container_id}", force="1", v="1")


def _address(shown: Mapping[str, Json]) -> str:
    """Where a container is reached in the network of its own."""
    return str(shown["NetworkSettings"]["Networks"][NETWORK]["IPAddress"])
