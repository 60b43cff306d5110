"""Whether a container engine answers, and what it is."""

import os
from dataclasses import dataclass

from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.errors import EngineAwayError, EngineMissingError


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineHealth:
    """What an engine says of itself."""

    name: str
    """`Docker 20.10.24` or `Podman 4.3.1`."""
    host: str


async def check_engine(api: DockerApi) -> EngineHealth:
    """Ask the engine what it is.

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
    return EngineHealth(name=f"{kind} {told.get('Version')}", host=api.host)
