"""Whether a container engine answers, and what it is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from createos_mcp.contract.platform_settings import SWARM
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.swarm_view import Node
from createos_mcp.platform.errors import (
    EngineAwayError,
    EngineMissingError,
    EngineRefusedError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineHealth:
    """What an engine says of itself."""

    name: str
    """`Docker 20.10.24` or `Podman 4.3.1`."""
    host: str
    nodes: Sequence[Node] = ()
    """The machines of the swarm that it manages."""


async def check_engine(api: DockerApi, wanted: str = "auto") -> EngineHealth:
    """Ask the engine what it is.

    Args:
        api: The engine.
        wanted: What it has to be: `swarm` for a manager of one.

    Raises:
        EngineMissingError: None answers that can be used; it says what to install.
    """
    if os.geteuid() != 0:
        reason = "only root may enter a container's network"
        raise EngineMissingError(reason, "Start the platform as root")
    try:
        told = await api.version()
    except EngineAwayError as error:
        raise EngineMissingError(str(error)) from error
    parts = [part.get("Name") for part in told.get("Components") or () if isinstance(part, dict)]
    kind = "Podman" if any("Podman" in str(part) for part in parts) else "Docker"
    name = f"{kind} {told.get('Version')}"
    if wanted != SWARM:
        return EngineHealth(name=name, host=api.host)
    try:
        rows = await api.call("GET", "nodes")
    except (EngineAwayError, EngineRefusedError) as error:
        reason = f"{name} manages no swarm"
        raise EngineMissingError(reason, "Run `docker swarm init` on this machine") from error
    nodes = sorted((Node.of(row) for row in rows), key=lambda node: node.address)
    return EngineHealth(name=f"{name}, swarm", host=api.host, nodes=nodes)
