"""Ports of 127.0.0.1: one for the address of each environment and deployment."""

from collections.abc import Collection

from createos_mcp.platform.errors import LimitReachedError
from createos_mcp.platform.store.database import Database, Transaction


class Ports:
    """Claims of ports; an owner is an environment or a deployment.

    Args:
        database: Where the claims are kept.
        given_out: Ports that may be claimed.
    """

    def __init__(self, database: Database, given_out: range) -> None:
        self._database = database
        self._given_out = given_out

    async def of(self, owner_id: str) -> int:
        """The port of an owner, claimed now if it has none."""

        def find_or_claim(transaction: Transaction) -> int:
            rows = transaction.run("port_of", owner_id=owner_id)
            return rows[0]["port"] if rows else self.claim(transaction, owner_id)

        return await self._database.write(find_or_claim)

    async def another_for(self, owner_id: str) -> int:
        """Another port, when something else listens on the one that was claimed."""

        def claim_another(transaction: Transaction) -> int:
            rows = transaction.run("port_of", owner_id=owner_id)
            return self.claim(transaction, owner_id, skip=[row["port"] for row in rows])

        return await self._database.write(claim_another)

    async def release(self, owner_id: str) -> None:
        """Give a port back."""
        await self._database.run("release_port", owner_id=owner_id)

    def claim(self, transaction: Transaction, owner_id: str, *, skip: Collection[int] = ()) -> int:
        """Claim a free port as part of a transaction.

        Raises:
            LimitReachedError: All are claimed.
        """
        used = {row["port"] for row in transaction.run("ports_in_use")} | set(skip)
        after = max(skip, default=self._given_out.start - 1)
        free = next((p for p in self._given_out if p > after and p not in used), None)
        if free is None:
            raise LimitReachedError("addresses", len(self._given_out))
        transaction.run("claim_port", port=free, owner_id=owner_id)
        return free
