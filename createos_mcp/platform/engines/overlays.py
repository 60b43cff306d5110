"""Overlays: a network of a swarm for each environment, and the way into it from this machine.

A process of this machine that is attached to an overlay, its anchor, has the network in which
replicas on every machine are reached; sockets are made in there.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.images import PLATFORM
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError
from createos_mcp.platform.processes import ProcessId

_NOT_FOUND = 404
_PREFIX = "createos-"
_EMPTY_IMAGE = "createos-anchor:1"
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
_END_OF_TAR = bytes(1024)
"""A tar without files: https://www.gnu.org/software/tar/manual/html_node/Standard.html."""

_KEPT_S = 10.0
"""How long an overlay is kept for the next replica: a release often follows its own command."""

_GONE_TRIES, _GONE_PAUSE_S = 60, 0.5


class Overlays:
    """The overlays of one platform.

    Args:
        api: A manager of the swarm, on this machine.
        platform_id: Marks what is this platform's.
    """

    def __init__(self, api: DockerApi, platform_id: str) -> None:
        self._api = api
        self._platform_id = platform_id
        self._anchors: dict[str, ProcessId] = {}
        self._replicas: Counter[str] = Counter()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def were_used(self) -> bool:
        """Whether any replica was in one."""
        return bool(self._replicas)

    @staticmethod
    def name_of(home: str) -> str:
        """The overlay of an environment, or of a deployment by itself."""
        return f"{_PREFIX}{home}"

    async def anchor(self, network: str) -> ProcessId:
        """The process of this machine that is in an overlay, both made where they are not there.

        Raises:
            EngineAwayError: The engine does not answer.
            EngineRefusedError: It does not start it.
        """
        known = self._anchors.get(network)
        if known is not None and known.is_running():
            return known
        async with self._locks[network]:
            await self._make_network(network)
            found = await self._start_anchor(network)
            self._anchors[network] = found
            return found

    async def enter(self, network: str) -> None:
        """Count a replica that will be in an overlay, which is there when this returns.

        Raises:
            EngineAwayError: The engine does not answer.
            EngineRefusedError: It does not make it.
        """
        self.count(network)
        try:
            await self.anchor(network)
        except BaseException:
            self.leave(network)
            raise

    def count(self, network: str) -> None:
        """Count a replica that is in an overlay already."""
        self._replicas[network] += 1

    def leave(self, network: str) -> None:
        """Count one that is gone."""
        self._replicas[network] -= 1

    async def remove_empty(self, network: str) -> None:
        """Remove an overlay that no replica comes to be in, and its anchor."""
        await asyncio.sleep(_KEPT_S)
        for _ in range(_GONE_TRIES):
            if await self._is_done_with(network):
                return
            # The last task lets go of it a moment after its service is gone.
            await asyncio.sleep(_GONE_PAUSE_S)

    async def remove_all_empty(self, within_s: float) -> None:
        """Remove every overlay of this platform that no replica is in.

        Args:
            within_s: How long those are waited for that somebody still lets go of.

        Raises:
            EngineAwayError: The engine does not answer.
            EngineRefusedError: It manages no swarm.
        """
        filters = {"label": [f"{PLATFORM}={self._platform_id}"]}
        rows = await self._api.call("GET", "networks", filters=filters)
        left = {row["Name"] for row in rows if not self._replicas[row["Name"]]}
        until = asyncio.get_running_loop().time() + within_s
        while left:
            left = {network for network in left if not await self._is_done_with(network)}
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(_GONE_PAUSE_S)

    async def _is_done_with(self, network: str) -> bool:
        """Remove it unless a replica is in it by now; whether nothing is left to try again for."""
        async with self._locks[network]:
            return self._replicas[network] > 0 or await self._is_removed(network)

    async def _is_removed(self, network: str) -> bool:
        """Remove them; whether nothing is left to try again for."""
        self._anchors.pop(network, None)
        try:
            with contextlib.suppress(EngineRefusedError):
                await self._api.call("DELETE", f"containers/{_anchor_name(network)}", force="1")
            await self._api.call("DELETE", f"networks/{network}")
        except EngineRefusedError as error:
            return error.status == _NOT_FOUND
        except EngineAwayError:
            return True
        return True

    async def _make_network(self, network: str) -> None:
        try:
            # One that was removed a moment ago may still be on this machine, and is of no use.
            await self._api.call("GET", f"networks/{network}", scope="swarm")
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            body = {
                "Name": network,
                "Driver": "overlay",
                "Attachable": True,
                "CheckDuplicate": True,
                "Labels": {PLATFORM: self._platform_id},
            }
            await self._api.call("POST", "networks/create", body=body)

    async def _start_anchor(self, network: str) -> ProcessId:
        name = _anchor_name(network)
        try:
            shown = await self._api.call("GET", f"containers/{name}/json")
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            await self._create_anchor(name, network)
            shown = await self._api.call("GET", f"containers/{name}/json")
        if not shown["State"]["Running"]:
            await self._api.start_container(name)
            shown = await self._api.call("GET", f"containers/{name}/json")
        return ProcessId.of(int(shown["State"]["Pid"]))

    async def _create_anchor(self, name: str, network: str) -> None:
        """A container with nothing in it but `sleep`, which is this machine's own."""
        body = {
            "Image": _EMPTY_IMAGE,
            "Entrypoint": ["/usr/bin/sleep", "infinity"],
            "Labels": {PLATFORM: self._platform_id},
            "HostConfig": {
                "NetworkMode": network,
                "RestartPolicy": {"Name": "no"},
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "ReadonlyRootfs": True,
                # Room for runc, too, which is in there until it becomes `sleep`.
                "Memory": 64 * 2**20,
                "PidsLimit": 64,
                "Mounts": [_system(path) for path in _SYSTEM if Path(path).exists()],
            },
        }
        try:
            await self._api.call("POST", "containers/create", body=body, name=name)
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            repository, _, tag = _EMPTY_IMAGE.partition(":")
            made = self._api.stream(
                "POST", "images/create", data=_END_OF_TAR, fromSrc="-", repo=repository, tag=tag
            )
            async for _row in made:
                pass
            await self._api.call("POST", "containers/create", body=body, name=name)


def _anchor_name(network: str) -> str:
    return f"{network}-anchor"


def _system(path: str) -> Json:
    return {"Type": "bind", "Source": str(Path(path).resolve()), "Target": path, "ReadOnly": True}
