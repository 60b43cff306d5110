"""What a swarm says of its tasks and nodes, asked for all of them at once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.images import PLATFORM

_FRESH_S = 0.5
_BEFORE_IT_RUNS = frozenset(
    {"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"}
)
_RUNNING = "running"
_HAVING_A_PROCESS = frozenset({"preparing", "starting", _RUNNING})
_REJECTED = "rejected"
_ENDED = frozenset({"complete", "failed", "shutdown"})
"""https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/"""
_UNSTARTED = "starting container failed"
"""How the error of a task begins that failed without a process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A machine of a swarm."""

    id: str
    name: str
    address: str
    is_there: bool
    is_ready: bool
    """Whether it is there and takes tasks."""

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Read one of the API's."""
        status, spec = row["Status"], row["Spec"]
        return cls(
            id=row["ID"],
            # One that is about to join has not described itself yet.
            name=(row.get("Description") or {}).get("Hostname") or row["ID"],
            address=status.get("Addr", ""),
            is_there=status["State"] == "ready",
            is_ready=status["State"] == "ready" and spec["Availability"] == "active",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The one task of a service."""

    id: str
    node_id: str
    state: str
    error: str
    is_wanted: bool
    """Whether the swarm goes on with it; it gives up one on a machine that is gone."""
    container_id: str
    exit_code: int | None
    addresses: Mapping[str, str]
    """In its networks, by their names."""

    @property
    def is_starting(self) -> bool:
        """Whether it is on the way to a process."""
        return self.state in _BEFORE_IT_RUNS and self.is_wanted

    @property
    def is_lost(self) -> bool:
        """Whether no process came of its container."""
        return self.error.startswith(_UNSTARTED)

    @property
    def is_refused(self) -> bool:
        """Whether its machine did not run it, as one that finds no image."""
        return self.state == _REJECTED or self.is_lost

    @property
    def is_running(self) -> bool:
        """Whether its process runs, on a machine that answers."""
        return self.state == _RUNNING and self.is_wanted

    @property
    def is_placed(self) -> bool:
        """Whether a machine has it, or none will."""
        return bool(self.node_id) or not self.is_starting

    @property
    def why_not(self) -> str:
        """Why it did not start, as a sentence."""
        if self.error:
            return f"No machine of the swarm runs it: {self.error}"
        if self.node_id:
            return f"The machine was not ready with it in time: it is still {self.state}"
        return "No machine of the swarm is free for it"

    @property
    def ending(self) -> int | None:
        """The exit code of its process; None where that was never told, as by a lost machine."""
        return self.exit_code if self.state in _ENDED else None

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Read one of the API's."""
        status = row["Status"]
        container: Mapping[str, Json] = status.get("ContainerStatus") or {}
        return cls(
            id=row["ID"],
            node_id=row.get("NodeID", ""),
            state=status["State"],
            error=status.get("Err", ""),
            is_wanted=row["DesiredState"] == _RUNNING,
            container_id=container.get("ContainerID", ""),
            exit_code=container.get("ExitCode"),
            addresses={
                one["Network"]["Spec"]["Name"]: address.partition("/")[0]
                for one in row.get("NetworksAttachments") or ()
                for address in (one.get("Addresses") or ())[:1]
            },
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmView:
    """How it was at one moment."""

    tasks: Mapping[str, Task]
    """Of this platform, by service."""
    nodes: Mapping[str, Node]

    def is_running(self, service_id: str) -> bool:
        """Whether a service's task runs, on a machine that answers."""
        task = self.tasks.get(service_id)
        return task is not None and task.is_running and self.answers(task.node_id)

    def has_process(self, service_id: str) -> bool:
        """Whether a task has one or is about to, though nobody may want it any more."""
        task = self.tasks[service_id]
        return task.state in _HAVING_A_PROCESS and self.answers(task.node_id)

    def more_used_than_others(self, service_ids: Iterable[str]) -> list[str]:
        """Machines that have more of these services than the one that has the fewest."""
        ready = {node.id for node in self.nodes.values() if node.is_ready}
        tasks = [self.tasks[one] for one in service_ids if one in self.tasks]
        held = Counter(task.node_id for task in tasks if task.is_starting or task.is_running)
        least = min((held[node] for node in ready), default=0)
        return sorted(node for node in ready if held[node] > least)

    def is_over(self, service_id: str) -> bool:
        """Whether a service's task has ended, or its machine is gone, so that nobody will tell."""
        task = self.tasks.get(service_id)
        if task is None or not self.answers(task.node_id):
            return True
        return task.state != _RUNNING and task.state not in _BEFORE_IT_RUNS

    def answers(self, node_id: str) -> bool:
        """Whether a machine is there; one that takes no new tasks is."""
        node = self.nodes.get(node_id)
        return node is None or node.is_there


class SwarmWatch:
    """Looks at a swarm for all who want to know, and seldom oftener than twice a second.

    Args:
        api: A manager of the swarm.
        platform_id: Whose services are looked at.
    """

    def __init__(self, api: DockerApi, platform_id: str) -> None:
        self._api = api
        self._filters = {"label": [f"{PLATFORM}={platform_id}"]}
        self._looking = asyncio.Lock()
        self._at = float("-inf")
        self._view = SwarmView(tasks={}, nodes={})

    async def look(self, within_s: float = _FRESH_S) -> SwarmView:
        """How it is now.

        Args:
            within_s: How old the answer may be.

        Raises:
            EngineAwayError: The manager does not answer.
            EngineRefusedError: It manages no swarm.
        """
        async with self._looking:
            loop = asyncio.get_running_loop()
            if loop.time() - self._at >= within_s:
                began = loop.time()
                tasks = await self._api.call("GET", "tasks", filters=self._filters)
                nodes = await self._api.call("GET", "nodes")
                tasks.sort(key=lambda row: row["CreatedAt"])
                self._view = SwarmView(
                    tasks={row["ServiceID"]: Task.of(row) for row in tasks},
                    nodes={row["ID"]: Node.of(row) for row in nodes},
                )
                self._at = began
            return self._view
