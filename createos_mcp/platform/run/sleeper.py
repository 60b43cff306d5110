"""Puts apps to sleep: those that nobody asks, and the longest-running one over the limit."""

from collections import defaultdict

import anyio

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.models import Reason
from createos_mcp.platform.run.replicas import Replicas
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.states import DeploymentStatus
from createos_mcp.platform.store.store import Store

# Sleep is counted in minutes; a second more does not matter.
POLL_S = 1.0


class Sleeper:
    """Looks at what runs, once a second."""

    def __init__(
        self, *, store: Store, supervisor: Supervisor, gateway: Gateway, config: PlatformConfig
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._gateway = gateway
        self._sleep_after_s = config.sleep_after_s
        self._max_deployed = config.max_deployed

    async def run(self) -> None:
        """Look for as long as the platform lives."""
        while True:
            await anyio.sleep(min(POLL_S, self._sleep_after_s or POLL_S))
            await self.look()

    async def look(self) -> None:
        """Put to sleep what has been idle for long enough, and what is one too many."""
        if self._sleep_after_s:
            text = f"No request for {self._sleep_after_s:g} s"
            reason = Reason(code=ReasonCode.IDLE, text=text)
            for replicas in filter(self._is_idle, self._supervisor.running()):
                await self._supervisor.sleep(replicas.set.route_id, reason)
        await self._keep_to_limit()

    def _is_idle(self, replicas: Replicas) -> bool:
        if replicas.is_worker:
            return False
        status, _ = replicas.state
        route_ids = {replicas.set.route_id, replicas.set.deployment_id}
        idle_s = self._gateway.idle_s(route_ids)
        return status is DeploymentStatus.DEPLOYED and idle_s >= self._sleep_after_s

    async def _keep_to_limit(self) -> None:
        """Let each user have so many deployments running; the oldest makes room for a new one."""
        deployed = {replicas.set.deployment_id for replicas in self._supervisor.running()}
        if len(deployed) <= self._max_deployed:
            return
        owners = await self._store.deployments.owners(deployed)
        of_user: defaultdict[str, list[str]] = defaultdict(list)
        for deployment_id in dict.fromkeys(r.set.deployment_id for r in self._supervisor.running()):
            of_user[owners[deployment_id]].append(deployment_id)
        for running in of_user.values():
            for deployment_id in running[: -self._max_deployed]:
                await self._put_to_sleep(deployment_id)

    async def _put_to_sleep(self, deployment_id: str) -> None:
        text = f"{self._max_deployed} newer deployments run, which is the limit"
        reason = Reason(code=ReasonCode.OVER_LIMIT, text=text)
        for replicas in self._supervisor.running():
            if replicas.set.deployment_id == deployment_id:
                await self._supervisor.sleep(replicas.set.route_id, reason)
