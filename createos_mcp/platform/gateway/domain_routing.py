"""Where custom domains lead: the names at which each environment answers."""

from collections.abc import Sequence
from typing import Protocol

import anyio

from createos_mcp.platform.store.domains import Domains


class HostNames(Protocol):
    """What is asked of whoever answers at addresses."""

    async def set_domains(self, environment_id: str, names: Sequence[str]) -> None:
        """Let an environment answer at these names, beside its own, and at no others."""


class DomainRouting:
    """Brings the gateway in line with the stored domains."""

    def __init__(self, *, domains: Domains, hosts: HostNames) -> None:
        self._domains = domains
        self._hosts = hosts
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
                    await self._hosts.set_domains(environment_id, names)
