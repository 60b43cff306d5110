"""Replica sets: what shall run, written down before it does."""

import json
from collections.abc import Collection, Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Replica, ReplicaSet
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import replica_of, replica_set_of


class ReplicaSets:
    """Reads and durable writes of replica sets and their replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        *,
        deployment_id: str,
        environment_id: str | None,
        run_envs: Mapping[str, str],
        port: int,
        resources: Mapping[str, int],
        created_at: str,
    ) -> ReplicaSet:
        """Store a set; it is started again with the platform until it is removed."""
        added = ReplicaSet(
            id=new_id(),
            deployment_id=deployment_id,
            environment_id=environment_id,
            run_envs=run_envs,
            port=port,
            resources=resources,
        )
        await self._database.run(
            "add_replica_set",
            id=added.id,
            deployment_id=deployment_id,
            environment_id=environment_id,
            run_envs=json.dumps(run_envs),
            port=port,
            resources=json.dumps(resources),
            created_at=created_at,
        )
        return added

    async def all(self) -> list[ReplicaSet]:
        """Every set, oldest first."""
        return [replica_set_of(row) for row in await self._database.read("replica_sets")]

    async def resize(self, set_id: str, resources: Mapping[str, int]) -> None:
        """Record how many replicas there are now."""
        await self._database.run("resize_replica_set", id=set_id, resources=json.dumps(resources))

    async def remove(self, set_id: str) -> None:
        """Forget a set and its replicas."""
        await self._database.run("remove_replica_set", id=set_id)

    async def add_replica(self, set_id: str, replica_id: str, number: int) -> None:
        """Write down a replica that is about to be started."""
        await self._database.run("add_replica", id=replica_id, set_id=set_id, number=number)

    async def replicas(self) -> list[Replica]:
        """Every replica that was started and not removed."""
        return [replica_of(row) for row in await self._database.read("replicas")]

    async def set_instance(self, replica_id: str, instance: Mapping[str, Json]) -> None:
        """Record which process a replica is."""
        await self._database.run("set_instance", id=replica_id, instance=json.dumps(instance))

    async def remove_replica(self, replica_id: str) -> None:
        """Forget a replica whose processes are gone."""
        await self._database.run("remove_replica", id=replica_id)

    async def clear_away(self, set_ids: Collection[str], replica_ids: Collection[str]) -> None:
        """Forget sets and replicas that are left from an earlier run of the platform."""

        def clear(transaction: Transaction) -> None:
            for replica_id in replica_ids:
                transaction.run("remove_replica", id=replica_id)
            for set_id in set_ids:
                transaction.run("remove_replica_set", id=set_id)

        await self._database.write(clear)
