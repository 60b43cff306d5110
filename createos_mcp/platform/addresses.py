"""The addresses of environments and deployments: a host name and a port of its own for each."""

from createos_mcp.platform.gateway import Gateway, Site
from createos_mcp.platform.models import Deployment, Environment, Instance, Project
from createos_mcp.platform.store import Store

PORT_ATTEMPTS = 500
"""Other platforms of this machine count from the same port on, each with many addresses."""


def environment_host(project: Project, environment: Environment) -> str:
    """`production-my-app.localhost`; curl and browsers resolve it to this machine."""
    return f"{environment.unique_name}-{project.unique_name}.localhost".lower()


def deployment_host(deployment_id: str) -> str:
    """`dep-3f0c1c52-....localhost`."""
    return f"dep-{deployment_id}.localhost"


def endpoint(port: int) -> str:
    """The address that answers for every client, also where `*.localhost` does not resolve."""
    return f"http://127.0.0.1:{port}"


class Addresses:
    """Opens, points and closes the gateway's sites, and finds another port when one is taken."""

    def __init__(self, *, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway
        self._sites: dict[str, Site] = {}

    async def open_environment(self, environment: Environment, project: Project) -> None:
        """Listen on an environment's address, which answers 503 until something is published."""
        await self._open(environment.id, environment_host(project, environment))
        self.withdraw(environment.id, "Nothing is deployed to this environment yet.")

    async def open_deployment(self, deployment: Deployment) -> None:
        """Listen on a deployment's own address."""
        await self._open(deployment.id, deployment_host(deployment.id))

    def publish(self, owner_id: str, instance: Instance) -> None:
        """Send the next requests for an address to a running app."""
        self._gateway.publish(self._sites[owner_id], instance)

    def withdraw(self, owner_id: str, reason: str) -> None:
        """Answer 503 with the reason at an address."""
        site = self._sites.get(owner_id)
        if site is not None:
            self._gateway.withdraw(site, reason)

    async def close(self, owner_id: str) -> None:
        """Give an address back."""
        site = self._sites.pop(owner_id, None)
        if site is not None:
            await self._gateway.close(site)
        await self._store.release_port(owner_id)

    async def _open(self, owner_id: str, host: str) -> None:
        if owner_id in self._sites:
            return
        port = await self._store.port_of(owner_id)
        for attempt in range(PORT_ATTEMPTS):
            site = Site(hosts=(host,), port=port)
            try:
                await self._gateway.open(site)
            except OSError:
                if attempt == PORT_ATTEMPTS - 1:
                    raise
                port = await self._store.another_port_for(owner_id)
            else:
                self._sites[owner_id] = site
                return
