"""Attachments: what an app gets at its start besides its files: services and volumes."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from anyio import to_thread

from createos_mcp.platform.errors import (
    NotFoundError,
    ServiceFailedError,
    StartFailedError,
)
from createos_mcp.platform.models import Deployment, LaunchSpec, Mount, Way
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.sandbox.addresses import free_port
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.services.certificate import ensure_certificate, public_part
from createos_mcp.platform.services.image_kinds import kind_of
from createos_mcp.platform.services.kinds import HANDOVER, ProcessKind, ServiceKind
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.services.volumes import Volumes, read_volumes
from createos_mcp.platform.store.services import Binding
from createos_mcp.platform.store.store import Store

SEEN_AT = Path("/services")
"""Where an app sees the sockets of what it is bound to, a folder for each name."""
CERTIFICATE_AT = SEEN_AT / "certificate.pem"
"""No service has such a name."""


class Attachments:
    """Finds out what an app is bound to, and has it awake before the app asks for it."""

    def __init__(
        self,
        *,
        store: Store,
        host: ServiceHost,
        volumes: Volumes,
        sandbox: Sandbox,
        certificate: Path,
    ) -> None:
        self._store = store
        self._host = host
        self._volumes = volumes
        self._sandbox = sandbox
        self._certificate = certificate

    async def attach(self, spec: LaunchSpec, *, is_command: bool) -> LaunchSpec:
        """The same app with its services, their variables, ports and sockets, and its volumes.

        A variable that the user has set stays as it is.

        Raises:
            StartFailedError: A service does not start, or the app cannot have one.
        """
        deployment = await self._store.deployments.get(spec.deployment_id)
        if deployment is None:
            return spec
        environment_id = spec.environment_id or await self._oldest(deployment)
        if environment_id is None:
            return spec
        bindings = await self._store.services.bindings_of(environment_id)
        volumes = read_volumes(deployment.settings)
        is_image = isinstance(spec.release, ImageRelease)
        if volumes and self._sandbox.bwrap is None and not is_image:
            raise StartFailedError("Volumes need bubblewrap, which does not work on this machine")
        if volumes and is_image and os.geteuid() != 0:
            raise StartFailedError(
                "Volumes of images need a platform that runs as root: what they write may belong "
                "to users that nobody else can read"
            )
        for binding in bindings:
            spec = await self._with(spec, binding)
        if any(way.certificate for way in spec.ways) and self._sees_files(spec):
            spec = self._trusting(spec)
        for volume in volumes:
            mount = await to_thread.run_sync(
                partial(self._volumes.mount, always_writable=is_command, for_any_user=is_image),
                environment_id,
                volume,
                spec.uid,
            )
            spec = replace(spec, mounts=(*spec.mounts, mount))
        return spec

    async def _oldest(self, deployment: Deployment) -> str | None:
        """The environment whose services and volumes a deployment has at its own address."""
        homes = await self._store.environments.of(deployment.project_id)
        return homes[0].id if homes else None

    def _sees_files(self, spec: LaunchSpec) -> bool:
        return isinstance(spec.release, ImageRelease) or self._sandbox.bwrap is not None

    def _trusting(self, spec: LaunchSpec) -> LaunchSpec:
        """The same app, which sees the certificate of its services; Node trusts it at once."""
        mount = Mount(source=public_part(self._certificate), place=CERTIFICATE_AT)
        trusted = {"NODE_EXTRA_CA_CERTS": str(CERTIFICATE_AT)}
        return replace(spec, run_envs={**trusted, **spec.run_envs}, mounts=(*spec.mounts, mount))

    async def _with(self, spec: LaunchSpec, binding: Binding) -> LaunchSpec:
        try:
            await self._host.ensure_running(binding.service_id)
            service = await self._store.services.get(binding.service_id)
        except (ServiceFailedError, NotFoundError) as error:
            raise StartFailedError(f"{binding.variable} is not available: {error}") from error
        kind = kind_of(service)
        taken = {way.port for way in spec.ways} | {spec.port}
        port = kind.port
        while port in taken:
            port += 1
        is_image = isinstance(spec.release, ImageRelease)
        if not self._sandbox.own_network and not is_image:
            port = free_port()
        directory = self._host.socket_directory(service)
        certificate = handover = None
        if isinstance(kind, ProcessKind):
            certificate = await to_thread.run_sync(ensure_certificate, self._certificate)
            handover = directory.with_name(HANDOVER) if kind.takes_connections else None
        seen = SEEN_AT / service.name if self._sees_files(spec) else None
        told = kind.variables(
            binding.variable, role=binding.role, secret=binding.secret, port=port, directory=seen
        )
        if _has_another(spec.run_envs, kind, binding.variable):
            told = {name: value for name, value in told.items() if name not in kind.parts}
        return replace(
            spec,
            run_envs={**told, **spec.run_envs},
            ways=(
                *spec.ways,
                Way(
                    port=port,
                    socket=directory / kind.socket,
                    certificate=certificate,
                    handover=handover,
                ),
            ),
            mounts=(*spec.mounts, *([Mount(source=directory, place=seen)] if seen else ())),
        )


def _has_another(given: Mapping[str, str], kind: ServiceKind, variable: str) -> bool:
    """Whether the user's variables lead to another such service.

    Parts of two addresses lead nowhere, and what says that TLS is not needed holds for one alone.
    """
    if variable in given or not kind.parts.keys().isdisjoint(given):
        return True
    schemes = tuple(f"{scheme}:" for scheme in kind.schemes)
    return any(value.startswith(schemes) for value in given.values())
