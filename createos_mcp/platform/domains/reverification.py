"""Reverification: domains that are routed are proven again from time to time.

Whoever gives a name up, or loses it, must not have it answered here for ever.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio

from createos_mcp.platform.domains.dns_checks import DnsCheck, records_for
from createos_mcp.platform.models import Domain
from createos_mcp.platform.store.domains import Domains

FAILURES = 3
"""Checks in a row whose answer was another one; a DNS server that is silent says nothing."""

logger = logging.getLogger(__name__)


class Reverification:
    """Looks at the active domains again and again.

    Args:
        domains: Where they are stored.
        dns: Asks for their records.
        follow: Brings the routes of an environment in line with what is stored.
        interval_s: Time between two checks of a domain.
    """

    def __init__(
        self,
        *,
        domains: Domains,
        dns: DnsCheck,
        follow: Callable[[str | None], Awaitable[None]],
        interval_s: float,
    ) -> None:
        self._domains = domains
        self._dns = dns
        self._follow = follow
        self._interval_s = interval_s

    async def run(self) -> None:
        """Check for as long as the platform lives."""
        while True:
            await anyio.sleep(self._interval_s)
            try:
                await self.check_all()
            except Exception:
                logger.exception("the domains could not be verified again")

    async def check_all(self) -> None:
        """Check every active domain once."""
        for domain in await self._domains.active():
            await self._check(domain)

    async def _check(self, domain: Domain) -> None:
        verdict = await self._dns.check(domain.name, records_for(domain))
        if not verdict.verified and verdict.is_silent:
            return
        stays = verdict.verified or domain.failed_verification_count + 1 < FAILURES
        await self._domains.record_recheck(
            domain, verified=verdict.verified, stays=stays, message=verdict.message
        )
        if not stays:
            logger.warning("%s leads elsewhere now and is not routed any more", domain.name)
            await self._follow(domain.environment_id)
