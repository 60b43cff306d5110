"""The addresses of environments and deployments: a host name and a port of its own for each."""

from createos_mcp.platform.gateway.gateway import Gateway, Site
from createos_mcp.platform.models import Environment
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
    """Opens and closes the gateway's sites, and finds another port when one is taken."""

    def __init__(self, *, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway

    async def open_environment(self, environment: Environment) -> str:
        """Listen on an environment's address, which answers 503 until something is published.

        Returns:
            Its URL; the port is another than `environment.port` if something listens there.
        """
        host = environment_host(environment)
        port = await self._open(environment.id, host, environment.port, is_counted=True)
        self._gateway.make_unavailable(
            environment.id, "Nothing is deployed to this environment yet."
        )
        return app_url(port)

    async def open_deployment(self, deployment_id: str) -> None:
        """Listen on a deployment's own address."""
        if not self._gateway.is_open(deployment_id):
            port = await self._store.ports.of(deployment_id)
            await self._open(deployment_id, deployment_host(deployment_id), port, is_counted=False)

    async def close(self, route_id: str) -> None:
        """Give an address back."""
        await self._gateway.close(route_id)
        await self._store.ports.release(route_id)

    async def _open(self, route_id: str, host: str, port: int, *, is_counted: bool) -> int:
        others = PORT_ATTEMPTS - 1
        while True:
            site = Site(route_id=route_id, hosts=(host,), port=port, is_counted=is_counted)
            try:
                await self._gateway.open(site)
            except OSError:
                if not others:
                    raise
                others -= 1
                port = await self._store.ports.another_for(route_id)
            else:
                return port
