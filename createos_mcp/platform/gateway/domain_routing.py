"""Where custom domains lead: the names at which each environment answers."""

import anyio

from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.store.domains import Domains


class DomainRouting:
    """Brings the gateway in line with the stored domains."""

    def __init__(self, *, domains: Domains, gateway: Gateway) -> None:
        self._domains = domains
        self._gateway = gateway
        self._one_at_a_time = anyio.Lock()

    async def restore(self) -> None:
        """Route every active domain, as after a start of the platform."""
        await self.follow(*await self._domains.routed_environments())

    async def follow(self, *environment_ids: str | None) -> None:
        """Route as stored, in this order: one that loses a name goes before one that gets it."""
        async with self._one_at_a_time:
            for environment_id in environment_ids:
                if environment_id is not None:
                    names = await self._domains.routed_to(environment_id)
                    self._gateway.set_domains(environment_id, names)
