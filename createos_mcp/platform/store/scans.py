"""Security scans: what is stored of them."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.states import ScanStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.timestamps import format_time


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """The scan of a deployment."""

    deployment_id: str
    id: str
    status: ScanStatus
    report: Mapping[str, Json] | None
    failed_reason: str | None
    expires_at: str
    """When a scan that is under way is given up."""
    created_at: str
    updated_at: str


class Scans:
    """Reads and durable writes of scans."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def begin(
        self, deployment_id: str, *, within: timedelta, only_after: ScanStatus | None
    ) -> Scan:
        """Let a scan begin.

        Args:
            deployment_id: What is scanned.
            within: How long it may take.
            only_after: The state that the last one has to be in; None for any that has ended.

        Raises:
            InvalidRequestError: One is under way, or the last one is in another state.
        """
        now = self._now()

        def write(transaction: Transaction) -> None:
            rows = transaction.run("scan", deployment_id=deployment_id)
            present = ScanStatus(rows[0]["status"]) if rows else None
            if present in {ScanStatus.PENDING, ScanStatus.IN_PROGRESS}:
                raise InvalidRequestError("A scan of this deployment is under way.")
            if only_after is not None and present is not only_after:
                shown = present or "never begun"
                raise InvalidRequestError(
                    f"The last scan is {shown}; only one that failed is repeated. "
                    "TriggerSecurityScan begins another."
                )
            transaction.run(
                "begin_scan",
                deployment_id=deployment_id,
                id=new_id(),
                expires_at=format_time(now + within),
                now=format_time(now),
            )

        await self._database.write(write)
        scan = await self.get(deployment_id)
        if scan is None:
            raise LookupError(deployment_id)
        return scan

    async def get(self, deployment_id: str) -> Scan | None:
        """The scan of a deployment."""
        rows = await self._database.read("scan", deployment_id=deployment_id)
        return _read(rows[0]) if rows else None

    async def unfinished(self) -> list[Scan]:
        """Those that were under way when the platform ended."""
        return [_read(row) for row in await self._database.read("unfinished_scans")]

    async def set(
        self,
        deployment_id: str,
        status: ScanStatus,
        *,
        report: Mapping[str, Json] | None = None,
        failed_reason: str | None = None,
    ) -> None:
        """Record how far a scan is, and what it has found."""
        await self._database.run(
            "set_scan",
            deployment_id=deployment_id,
            status=status,
            report=None if report is None else json.dumps(report),
            failed_reason=failed_reason,
            now=format_time(self._now()),
        )


def _read(row: sqlite3.Row) -> Scan:
    values: dict[str, Json] = {field.name: row[field.name] for field in fields(Scan)}
    report = values["report"]
    return Scan(
        **values
        | {
            "status": ScanStatus(values["status"]),
            "report": None if report is None else json.loads(report),
        }
    )
