"""The parts that services are made of, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from createos_mcp.platform.background import Background
from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.engine_parts import EngineParts
from createos_mcp.platform.errors import BuildFailedError, ServiceFailedError
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.services.attachments import Attachments
from createos_mcp.platform.services.backups import Backups
from createos_mcp.platform.services.bindings import Bindings
from createos_mcp.platform.services.image_commands import ImageCommands
from createos_mcp.platform.services.service_commands import ServiceCommands
from createos_mcp.platform.services.service_copies import ServiceCopies
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.services.upkeep import AwakeProjects, ServiceUpkeep
from createos_mcp.platform.services.volumes import Volumes
from createos_mcp.platform.store.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceParts:
    """What the rest of the platform asks about services."""

    host: ServiceHost
    bindings: Bindings
    backups: Backups
    attachments: Attachments
    volumes: Volumes
    upkeep: ServiceUpkeep
    copies: ServiceCopies


def make_service_parts(
    *,
    store: Store,
    engines: EngineParts,
    sandbox: Sandbox,
    toolchains: Toolchains,
    config: PlatformConfig,
    background: Background,
    awake_projects: AwakeProjects,
    now: Callable[[], datetime],
) -> ServiceParts:
    """Put them together; nothing runs yet."""

    async def fetch(package: str) -> Path:
        try:
            return await toolchains.library(package, _unheard)
        except BuildFailedError as error:
            raise ServiceFailedError(package, "fetch", str(error)) from error

    host = ServiceHost(
        rows=store.services,
        processes=engines.processes,
        commands=ServiceCommands(engines.processes, sandbox, fetch, config.data_dir),
        containers=engines.containers,
        image_commands=ImageCommands(
            docker=engines.docker,
            images=engines.images,
            rows=store.services,
            credentials=store.registry_credentials,
            data_dir=config.data_dir,
        ),
        data_dir=config.data_dir,
        background=background,
    )
    bindings = Bindings(store.services, host)
    backups = Backups(store.services, host, config.data_dir, now=now)
    host.before_upgrade = backups.copy_before_upgrade
    volumes = Volumes(config.data_dir)
    return ServiceParts(
        host=host,
        bindings=bindings,
        backups=backups,
        attachments=Attachments(
            store=store,
            host=host,
            volumes=volumes,
            sandbox=sandbox,
            certificate=config.data_dir.service_certificate,
        ),
        volumes=volumes,
        copies=ServiceCopies(
            rows=store.services,
            host=host,
            backups=backups,
            bindings=bindings,
            data_dir=config.data_dir,
        ),
        upkeep=ServiceUpkeep(
            store=store,
            host=host,
            volumes=volumes,
            bindings=bindings,
            backups=backups,
            awake_projects=awake_projects,
            config=config,
        ),
    )


async def _unheard(_lines: object) -> None:
    """Nobody reads what fetching a package says when it works."""
