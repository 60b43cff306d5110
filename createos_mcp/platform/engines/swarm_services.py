"""Services of a swarm: made, ended so that their log can still be read, and removed."""

import contextlib
from collections.abc import Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.swarm_view import Task
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError
from createos_mcp.platform.processes import ProcessId

NO_MANAGER = "not a swarm manager"
"""What an engine says that was none, or is none any more."""

_NOT_FOUND = 404
_NO_PROCESS = ProcessId(pid=0, started=0, boot_id="")


class SwarmServices:
    """The calls for services, and for the containers of those that run on this machine.

    Args:
        api: The manager, the engine of this machine.
    """

    def __init__(self, api: DockerApi) -> None:
        self._api = api

    async def create(self, body: Json, headers: Mapping[str, str]) -> str:
        """Make a service; its ID.

        Raises:
            EngineAwayError: The manager does not answer.
            EngineRefusedError: It does not make it.
        """
        made = await self._api.call("POST", "services/create", body=body, headers=headers)
        return str(made["ID"])

    async def ids_by_label(self, label: str) -> dict[str, Mapping[str, str]]:
        """Services with a label, and their labels.

        Raises:
            EngineAwayError: The manager does not answer.
            EngineRefusedError: It manages no swarm.
        """
        rows = await self._api.call("GET", "services", filters={"label": [label]})
        return {row["ID"]: row["Spec"]["Labels"] for row in rows}

    async def scale_to_none(self, service_id: str) -> None:
        """Let a service's task end while its log can still be read.

        Raises:
            EngineAwayError: The manager does not answer.
            EngineRefusedError: The service is gone.
        """
        shown = await self._api.call("GET", f"services/{service_id}")
        body = {**shown["Spec"], "Mode": {"Replicated": {"Replicas": 0}}}
        version = str(shown["Version"]["Index"])
        await self._api.call("POST", f"services/{service_id}/update", body=body, version=version)

    async def is_removed(self, service: str) -> bool:
        """Remove a service by its ID or name; whether it is gone."""
        try:
            await self._api.call("DELETE", f"services/{service}")
        except EngineRefusedError as error:
            # Where there is no swarm any more, there are no services.
            return error.status == _NOT_FOUND or NO_MANAGER in str(error)
        except EngineAwayError:
            return False
        return True

    async def kill(self, task: Task) -> None:
        """End a task at once, where it runs on this machine."""
        if task.container_id:
            with contextlib.suppress(EngineRefusedError):
                await self._api.call("POST", f"containers/{task.container_id}/kill")

    async def own_node(self) -> str:
        """The ID of this machine in the swarm.

        Raises:
            EngineAwayError: The engine does not answer.
        """
        told = await self._api.call("GET", "info")
        return str(told["Swarm"]["NodeID"])

    async def process_of(self, task: Task) -> ProcessId:
        """The first process of a task; one of no number where it runs on another machine."""
        if not task.container_id or task.node_id != await self.own_node():
            return _NO_PROCESS
        try:
            shown = await self._api.call("GET", f"containers/{task.container_id}/json")
            return ProcessId.of(int(shown["State"]["Pid"]))
        except (EngineRefusedError, ProcessLookupError):
            return _NO_PROCESS

    async def was_out_of_memory(self, task: Task) -> bool:
        """Whether its machine ended it; only the engine of that machine tells."""
        try:
            shown = await self._api.call("GET", f"containers/{task.container_id}/json")
        except (EngineAwayError, EngineRefusedError):
            return False
        return bool(shown["State"].get("OOMKilled"))
