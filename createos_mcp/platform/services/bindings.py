"""Bindings: which environments may use a service, each as a role of its own."""

from createos_mcp.platform.errors import (
    NotFoundError,
    PlatformError,
    ServiceFailedError,
    WrongStateError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.services.image_kinds import OWN_ROLE, ImageKind, kind_of
from createos_mcp.platform.services.service_host import ServiceHost, new_password
from createos_mcp.platform.store.services import Binding, Service, ServiceRows

_ROLE_CHARACTERS = 12


class Bindings:
    """Makes, renews and drops roles, in the store and in the service."""

    def __init__(self, rows: ServiceRows, host: ServiceHost) -> None:
        self._rows = rows
        self._host = host

    async def bind(self, service: Service, environment_id: str, variable: str) -> Binding:
        """Let an environment use a service from its next start on.

        Raises:
            NameTakenError: Something is bound there under that name.
            ServiceFailedError: The service does not make a role; nothing is bound.
        """
        role, secret = _credentials(service)
        binding = await self._rows.bind(service, environment_id, variable, role=role, secret=secret)
        try:
            await self._make_role(service, role, secret)
        except PlatformError:
            await self._rows.unbind(binding.id)
            raise
        return binding

    async def renew(self, service: Service, binding: Binding) -> None:
        """Give a binding a new role; the former one works while an app that began with it runs.

        Raises:
            WrongStateError: Its image has one password for all.
            ServiceFailedError: The service does not make a role; the binding is as it was.
        """
        if isinstance(kind_of(service), ImageKind):
            raise WrongStateError(
                f"{service.name!r} runs from an image, which sets one password when its data is "
                "made. Change it with the image's own tools, or create another service."
            )
        role, secret = _new_role(), new_password()
        await self._make_role(service, role, secret)
        await self._rows.rename_role(binding.id, role=role, secret=secret)

    async def unbind(self, binding: Binding) -> None:
        """Forget a binding, and end what it has open."""
        await self._rows.unbind(binding.id)
        await self.drop_unbound()

    async def drop_former(self, service: Service, environment_id: str) -> None:
        """Drop what was renewed, also where an app began with it."""
        await self._rows.release_roles(service.id, environment_id)
        await self.drop_unbound()

    async def drop_unbound(self) -> None:
        """Drop the roles that nothing needs any more, where their service is awake."""
        for service_id, role in await self._rows.unbound_roles():
            try:
                service = await self._rows.get(service_id)
                if not self._host.is_running(service_id):
                    continue
                await self._host.script(service, "unbind", ROLE=role)
            except NotFoundError:
                pass
            except ServiceFailedError:
                continue
            await self._rows.forget_role(service_id, role)

    async def _make_role(self, service: Service, role: str, secret: str) -> None:
        await self._host.ensure_running(service.id)
        await self._host.script(service, "bind", ROLE=role, PASSWORD=secret)


def _credentials(service: Service) -> tuple[str, str]:
    """Who a new binding is to a service, and its password; an image knows one of each."""
    if isinstance(kind_of(service), ImageKind):
        return OWN_ROLE, service.secret
    return _new_role(), new_password()


def _new_role() -> str:
    """A name that was never used, for PostgreSQL and Valkey alike."""
    return f"b{new_id().replace('-', '')[-_ROLE_CHARACTERS:]}"
