"""Attachments: what an app gets at its start besides its files: the services it is bound to."""

from dataclasses import replace
from pathlib import Path

from createos_mcp.platform.errors import (
    NotFoundError,
    ServiceFailedError,
    StartFailedError,
)
from createos_mcp.platform.models import LaunchSpec, Mount, Way
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.sandbox.addresses import free_port
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.services.kinds import KINDS
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.store.services import Binding
from createos_mcp.platform.store.store import Store

SEEN_AT = Path("/services")
"""Where an app sees the sockets of what it is bound to, a folder for each name."""


class Attachments:
    """Finds out what an app is bound to, and has it awake before the app asks for it."""

    def __init__(self, *, store: Store, host: ServiceHost, sandbox: Sandbox) -> None:
        self._store = store
        self._host = host
        self._sandbox = sandbox

    async def attach(self, spec: LaunchSpec) -> LaunchSpec:
        """The same app with its services: their variables, ports and sockets.

        A variable that the user has set stays as it is.

        Raises:
            StartFailedError: A service does not start, or the app cannot have one.
        """
        bindings = await self.bindings_for(spec)
        if bindings and isinstance(spec.release, ImageRelease):
            reason = "Services are reached by apps that are built from files, not by images yet"
            raise StartFailedError(f"{reason}. Unbind them, or deploy the files without Dockerfile")
        for binding in bindings:
            spec = await self._with(spec, binding)
        return spec

    async def bindings_for(self, spec: LaunchSpec) -> list[Binding]:
        """What the environment is bound to, or at a deployment's own address the oldest one."""
        environment_id = spec.environment_id
        if environment_id is None:
            deployment = await self._store.deployments.get(spec.deployment_id)
            homes = await self._store.environments.of(deployment.project_id) if deployment else []
            environment_id = homes[0].id if homes else None
        if environment_id is None:
            return []
        return await self._store.services.bindings_of(environment_id)

    async def _with(self, spec: LaunchSpec, binding: Binding) -> LaunchSpec:
        try:
            await self._host.ensure_running(binding.service_id)
            service = await self._store.services.get(binding.service_id)
        except (ServiceFailedError, NotFoundError) as error:
            raise StartFailedError(f"{binding.variable} is not to be had: {error}") from error
        kind = KINDS[service.kind]
        taken = {way.port for way in spec.ways} | {spec.port}
        port = kind.port
        while port in taken:
            port += 1
        if not self._sandbox.own_network:
            port = free_port()
        directory = self._host.socket_directory(service)
        seen = SEEN_AT / service.name if self._sandbox.bwrap is not None else None
        told = kind.variables(
            binding.variable, role=binding.role, secret=binding.secret, port=port, directory=seen
        )
        return replace(
            spec,
            run_envs={**told, **spec.run_envs},
            ways=(*spec.ways, Way(port=port, socket=directory / kind.socket)),
            mounts=(*spec.mounts, *([Mount(source=directory, place=seen)] if seen else ())),
        )
