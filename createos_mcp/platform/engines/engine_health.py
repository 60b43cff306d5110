"""Whether a container engine answers, and what it is."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from createos_mcp.contract.platform_settings import SWARM
from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.docker_api import DockerApi, is_podman
from createos_mcp.platform.engines.swarm_services import NO_MANAGER
from createos_mcp.platform.engines.swarm_view import Node
from createos_mcp.platform.errors import (
    INSTALL_DOCKER,
    EngineAwayError,
    EngineMissingError,
    EngineRefusedError,
    SwarmMissingError,
)

_NOT_ROOT = "only root may enter a container's network"
_AS_ROOT, _INIT = "Start the platform as root", "Run `docker swarm init`"
_AS_ITS_USER = "Start the platform as the user whose engine it is"
_NO_ROOTLESS_PODMAN = "Use rootless Docker, or start the platform and Podman as root"
_ROOTLESS = "name=rootless"
_ON_THIS_MACHINE = "auto"
"""Also where apps run on a swarm: a service stays where its data is."""

_NO_DATA = "what containers of a rootless engine write may belong to other users"
_BUILT_IN = "create a postgres or valkey service"


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineHealth:
    """What an engine says of itself."""

    name: str
    """`Docker 20.10.24` or `Podman 4.3.1`."""
    host: str
    is_rootless: bool = False
    """Whether it belongs to an ordinary user, as the platform does."""
    nodes: Sequence[Node] = ()
    """The machines of the swarm that it manages, where apps run on one."""


async def check_engine(api: DockerApi, wanted: str) -> EngineHealth:
    """Ask the engine what it is.

    Args:
        api: The engine.
        wanted: What apps run on, as the setting says: `swarm` asks for a manager of one.

    Raises:
        EngineMissingError: None answers that can be used; it says what to install.
    """
    if wanted == SWARM:
        return await _check_swarm(api)
    try:
        told = await api.version()
        options = (await api.info()).get("SecurityOptions") or ()
    except (EngineAwayError, EngineRefusedError) as error:
        raise EngineMissingError(str(error)) from error
    is_rootless = any(_ROOTLESS in str(option) for option in options)
    if is_rootless and is_podman(told):
        raise EngineMissingError(f"{api.host} is a rootless Podman", _NO_ROOTLESS_PODMAN)
    if is_rootless and os.geteuid() == 0:
        raise EngineMissingError(f"{api.host} is a rootless engine", _AS_ITS_USER)
    if os.geteuid() != 0 and not is_rootless:
        raise EngineMissingError(_NOT_ROOT, f"{_AS_ROOT}, or use rootless Docker")
    name = f"{_name_of(told)}, rootless" if is_rootless else _name_of(told)
    return EngineHealth(name=name, host=api.host, is_rootless=is_rootless)


async def check_service_engine(api: DockerApi) -> None:
    """Return if services can be made of images.

    Raises:
        EngineMissingError: They cannot; it says what to install, and which services there are.
    """
    try:
        found = await check_engine(api, _ON_THIS_MACHINE)
    except EngineMissingError as error:
        raise EngineMissingError(error.reason, error.remedy, instead=_BUILT_IN) from error
    if found.is_rootless:
        raise EngineMissingError(_NO_DATA, _AS_ROOT, instead=_BUILT_IN)


async def _check_swarm(api: DockerApi) -> EngineHealth:
    if os.geteuid() != 0:
        raise SwarmMissingError(_NOT_ROOT, _AS_ROOT)
    try:
        name = _name_of(await api.version())
        nodes = [Node.of(row) for row in await api.call("GET", "nodes")]
    except EngineAwayError as error:
        raise SwarmMissingError(str(error), INSTALL_DOCKER) from error
    except EngineRefusedError as error:
        remedy = _INIT if NO_MANAGER in str(error) else "Look after its managers"
        raise SwarmMissingError(str(error).partition(". ")[0].rstrip("."), remedy) from error
    nodes.sort(key=lambda node: node.address)
    return EngineHealth(name=f"{name}, swarm", host=api.host, nodes=nodes)


def _name_of(told: Mapping[str, Json]) -> str:
    return f"{'Podman' if is_podman(told) else 'Docker'} {told.get('Version')}"
