"""Variables that were replaced: kept for a week, so that a mistake can be undone."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from createos_mcp.contract.values import Json
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.timestamps import format_time

KEPT_DAYS = 7


class ReplacedVariables:
    """Reads and durable writes of sets of variables that another set took the place of."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def keep(
        self, project_id: str, environment_id: str | None, variables: Mapping[str, Json]
    ) -> None:
        """Keep what is about to be replaced, and forget what was kept for long enough.

        Args:
            project_id: Whose variables.
            environment_id: Of which environment; None for those of the project itself.
            variables: Settings that hold them, `{"runEnvs": {"TOKEN": "..."}}`.
        """

        def insert(transaction: Transaction) -> None:
            transaction.run("forget_replaced_variables", oldest=self._oldest())
            transaction.run(
                "keep_replaced_variables",
                project_id=project_id,
                environment_id=environment_id,
                variables=json.dumps(variables),
                now=format_time(self._now()),
            )

        await self._database.write(insert)

    async def last(self, project_id: str, environment_id: str | None) -> Mapping[str, Json] | None:
        """The settings that were replaced last, if that is no more than a week ago."""
        rows = await self._database.read(
            "last_replaced_variables",
            project_id=project_id,
            environment_id=environment_id,
            oldest=self._oldest(),
        )
        found: Mapping[str, Json] | None = json.loads(rows[0]["variables"]) if rows else None
        return found

    def _oldest(self) -> str:
        return format_time(self._now() - timedelta(days=KEPT_DAYS))
