"""The engines that apps run on, and what they share, put together."""

from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.containers import Containers, FindLogin
from createos_mcp.platform.engines.docker_api import DockerApi, find_socket
from createos_mcp.platform.engines.dockerfiles import Dockerfiles
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.engines.processes import Processes
from createos_mcp.platform.engines.swarm import Swarm
from createos_mcp.platform.sandbox.network import FORBIDDEN
from createos_mcp.platform.sandbox.sandbox import Sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineParts:
    """What runs apps; `docker`, `containers` and `swarm` have to be entered."""

    docker: DockerApi
    images: Images
    dockerfiles: Dockerfiles
    processes: Processes
    containers: Containers
    swarm: Swarm


def make_engine_parts(
    *,
    config: PlatformConfig,
    environ: Mapping[str, str],
    sandbox: Sandbox,
    platform_id: str,
    find_login: FindLogin,
) -> EngineParts:
    """Put them together; nothing runs yet."""
    docker = DockerApi(find_socket(config.docker_host, environ))
    images = Images(docker)
    forbidden = [network for network in FORBIDDEN if ":" not in network]
    return EngineParts(
        docker=docker,
        images=images,
        dockerfiles=Dockerfiles(docker, images, platform_id),
        processes=Processes(config=config, sandbox=sandbox),
        containers=Containers(
            api=docker,
            images=images,
            find_login=find_login,
            platform_id=platform_id,
            data_dir=config.data_dir,
            forbidden=forbidden,
            permitted=config.permitted_addresses,
        ),
        swarm=Swarm(
            api=docker,
            find_login=find_login,
            platform_id=platform_id,
            data_dir=config.data_dir,
            grace_s=config.stop_timeout_s,
            forbidden=forbidden,
            permitted=config.permitted_addresses,
        ),
    )
