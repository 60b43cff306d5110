"""Custom domains: rows of what was claimed, what DNS showed, and where it leads."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from createos_mcp.platform.errors import DomainTakenError, NotFoundError, ProjectFullError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Domain
from createos_mcp.platform.states import DomainStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import domain_of
from createos_mcp.platform.timestamps import format_time, parse_time

# The cloud has a limit, too, but does not publish it.
MAX_PER_PROJECT = 20

# 192 bits: the token proves that its reader controls the domain.
TOKEN_BYTES = 24

PENDING_KEPT = timedelta(days=1)
"""How long a domain that nobody has proven keeps its name from other projects."""

NOT_CHECKED = "Set one of the records in DNS, then call RefreshDomain."


class Domains:
    """Reads and durable writes of custom domains."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, *, project_id: str, environment_id: str | None, name: str) -> Domain:
        """Store a domain in `pending`, with a token of its own.

        Raises:
            DomainTakenError: A project of this platform has that name.
            ProjectFullError: The project has as many domains as it may have.
        """
        values = {
            "id": new_id(),
            "project_id": project_id,
            "environment_id": environment_id,
            "name": name,
            "status": DomainStatus.PENDING,
            "token": secrets.token_urlsafe(TOKEN_BYTES),
            "message": NOT_CHECKED,
            "created_at": format_time(self._now()),
        }

        def insert(transaction: Transaction) -> Domain:
            for row in transaction.run("domain_named", name=name):
                if row["project_id"] == project_id or not self._is_abandoned(domain_of(row)):
                    raise DomainTakenError(name)
                transaction.run("remove_domain", id=row["id"])
            if len(transaction.run("domains", project_id=project_id)) >= MAX_PER_PROJECT:
                raise ProjectFullError("domains", MAX_PER_PROJECT)
            return domain_of(transaction.run("add_domain", **values)[0])

        return await self._database.write(insert)

    async def of(self, project_id: str) -> list[Domain]:
        """A project's domains, oldest first."""
        rows = await self._database.read("domains", project_id=project_id)
        return [domain_of(row) for row in rows]

    async def get(self, project_id: str, domain_id: str) -> Domain:
        """One domain of a project.

        Raises:
            NotFoundError: The project has no such domain.
        """
        rows = await self._database.read("domain", project_id=project_id, id=domain_id)
        if not rows:
            raise NotFoundError("domain", domain_id)
        return domain_of(rows[0])

    async def record_check(self, domain: Domain, *, verified: bool, message: str) -> Domain:
        """Write down what DNS showed of a pending domain; a verified one is active.

        One that another check has verified meanwhile stays as it is.

        Raises:
            NotFoundError: It was deleted meanwhile.
        """
        query = "verify_domain" if verified else "fail_domain"
        now = format_time(self._now())
        await self._database.run(query, id=domain.id, message=message, now=now)
        return await self.get(domain.project_id, domain.id)

    async def active(self) -> list[Domain]:
        """Every active domain, whoever owns it."""
        return [domain_of(row) for row in await self._database.read("active_domains")]

    async def record_recheck(
        self, domain: Domain, *, verified: bool, stays: bool, message: str
    ) -> None:
        """Write down what DNS showed of an active domain; one that does not stay is pending."""
        now = format_time(self._now())
        if verified:
            await self._database.run("confirm_domain", id=domain.id, now=now)
            return
        status = DomainStatus.ACTIVE if stays else DomainStatus.PENDING
        await self._database.run(
            "doubt_domain", id=domain.id, status=status, message=message, now=now
        )

    async def assign(self, domain_id: str, environment_id: str | None) -> None:
        """Record which environment answers at a domain."""
        now = format_time(self._now())
        await self._database.run(
            "assign_domain", id=domain_id, environment_id=environment_id, now=now
        )

    async def remove(self, domain_id: str) -> None:
        """Forget a domain."""
        await self._database.run("remove_domain", id=domain_id)

    def _is_abandoned(self, domain: Domain) -> bool:
        """Whether others may claim the name: nobody proved it for a day."""
        age = self._now() - parse_time(domain.created_at)
        return domain.status is DomainStatus.PENDING and age > PENDING_KEPT

    async def routed_to(self, environment_id: str) -> list[str]:
        """Names that lead to an environment, oldest first."""
        rows = await self._database.read("routed_domains", environment_id=environment_id)
        return [row["name"] for row in rows]

    async def routed_environments(self) -> list[str]:
        """Ids of the environments that some active domain leads to."""
        return [row["environment_id"] for row in await self._database.read("routed_environments")]
