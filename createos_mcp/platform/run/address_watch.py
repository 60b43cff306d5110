"""The address watch: addresses that the machine gets later are closed to apps that run already."""

import logging
from collections.abc import Callable, Iterable, Sequence

import anyio
from anyio import to_thread

from createos_mcp.platform.models import Instance
from createos_mcp.platform.sandbox import control

logger = logging.getLogger(__name__)


class AddressWatch:
    """Looks at the machine's addresses, and tells the launchers of new ones.

    Args:
        own_addresses: Every address of the machine now, as networks.
        instances: The apps that run, each in a network of its own.
        interval_s: Time between two looks.
    """

    def __init__(
        self,
        *,
        own_addresses: Callable[[], Sequence[str]],
        instances: Callable[[], Iterable[Instance]],
        interval_s: float,
    ) -> None:
        self._own_addresses = own_addresses
        self._instances = instances
        self._interval_s = interval_s
        self._known = frozenset(own_addresses())

    async def run(self) -> None:
        """Watch for as long as the platform lives."""
        while True:
            await anyio.sleep(self._interval_s)
            found = frozenset(await to_thread.run_sync(self._own_addresses))
            new, self._known = sorted(found - self._known), found
            if new:
                await self._close(new)

    async def _close(self, networks: Sequence[str]) -> None:
        for instance in self._instances():
            try:
                await control.ask_launcher(instance.run_dir, f"forbid {','.join(networks)}")
            except OSError as error:
                logger.warning(
                    "%s may reach %s: %s", instance.replica_id, ", ".join(networks), error
                )
