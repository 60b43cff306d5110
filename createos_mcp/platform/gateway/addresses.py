"""The addresses of environments and deployments: a host name and a port of its own for each."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from createos_mcp.platform.gateway.gateway import Gateway, Site
from createos_mcp.platform.models import Environment, Instance
from createos_mcp.platform.store.store import Store

PORT_ATTEMPTS = 500
"""Other platforms of this machine count from the same port on, each with many addresses."""


def environment_host(environment: Environment) -> str:
    """`production-my-app.localhost`; curl and browsers resolve it to this machine."""
    return f"{environment.host}.localhost"


def deployment_host(deployment_id: str) -> str:
    """`dep-3f0c1c52-....localhost`."""
    return f"dep-{deployment_id}.localhost"


def app_url(port: int) -> str:
    """The address that answers for every client, also where `*.localhost` does not resolve."""
    return f"http://127.0.0.1:{port}"


class Addresses:
    """Opens, points and closes the gateway's sites, and finds another port when one is taken."""

    def __init__(self, *, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway
        self._sites: dict[str, Site] = {}

    async def open_environment(self, environment: Environment) -> None:
        """Listen on an environment's address, which answers 503 until something is published."""
        host = environment_host(environment)
        await self._open(environment.id, host, environment.port, counted=True)
        self.make_unavailable(environment.id, "Nothing is deployed to this environment yet.")

    async def open_deployment(self, deployment_id: str) -> None:
        """Listen on a deployment's own address."""
        if deployment_id not in self._sites:
            port = await self._store.ports.of(deployment_id)
            await self._open(deployment_id, deployment_host(deployment_id), port, counted=False)

    def publish(self, owner_id: str, instances: Sequence[Instance]) -> None:
        """Send the next requests for an address to these replicas."""
        self._gateway.publish(self._sites[owner_id], instances)

    def make_unavailable(self, owner_id: str, reason: str) -> None:
        """Answer 503 with the reason at an address."""
        site = self._sites.get(owner_id)
        if site is not None:
            self._gateway.make_unavailable(site, reason)

    def hold(self, owner_id: str, wake: Callable[[], Awaitable[None]]) -> None:
        """Let requests at an address wait, the first of which wakes what answers there."""
        site = self._sites.get(owner_id)
        if site is not None:
            self._gateway.hold(site, wake)

    async def drain(self, instances: Sequence[Instance], timeout_s: float) -> None:
        """Return once nothing is in flight on replicas, or the time is over."""
        await self._gateway.drain(instances, timeout_s)

    def idle_s(self, owner_ids: Iterable[str]) -> float:
        """Seconds since the last request at any of these addresses; 0 while one is in flight."""
        sites = (self._sites[owner] for owner in owner_ids if owner in self._sites)
        return min((self._gateway.idle_s(site) or 0 for site in sites), default=0)

    async def set_domains(self, environment_id: str, names: Sequence[str]) -> None:
        """Let an environment answer at these names, beside its own, and at no others."""
        site = self._sites.get(environment_id)
        if site is not None:
            own, *_ = site.hosts
            self._sites[environment_id] = self._gateway.set_hosts(site, (own, *names))

    async def close(self, owner_id: str) -> None:
        """Give an address back."""
        site = self._sites.pop(owner_id, None)
        if site is not None:
            await self._gateway.close(site)
        await self._store.ports.release(owner_id)

    async def _open(self, owner_id: str, host: str, port: int, *, counted: bool) -> None:
        for attempt in range(PORT_ATTEMPTS):
            site = Site(hosts=(host,), port=port, owner=owner_id if counted else None)
            try:
                await self._gateway.open(site)
            except OSError:
                if attempt == PORT_ATTEMPTS - 1:
                    raise
                port = await self._store.ports.another_for(owner_id)
            else:
                self._sites[owner_id] = site
                return
