"""Templates, who bought them, and what users have to spend."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import LimitReachedError, NotFoundError, WrongStateError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.states import TemplateStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import total_of
from createos_mcp.platform.timestamps import format_time

MAX_PENDING = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateText:
    """What a template's author writes about it."""

    name: str
    description: str
    overview: str
    use_cases: str
    video_url: str
    image_uri: str
    categories: Sequence[str]
    amount_cents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTemplate:
    """Files and settings that a user offers to others."""

    id: str
    user_id: str | None
    """None for one that comes with the platform."""
    project_id: str
    environment_id: str
    text: TemplateText
    status: TemplateStatus
    configurations: Mapping[str, Json]
    """Settings of project and environment, and resources of build and deployment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template(NewTemplate):
    """The same as it is stored."""

    author: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """A template that a user may use."""

    id: str
    user_id: str
    template_id: str
    amount_cents: int
    created_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why a review did not list a template."""

    id: int
    template_id: str
    reason: str
    created_at: str


class Templates:
    """Reads and durable writes of templates; every amount of a purchase is booked with it."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, template: NewTemplate) -> None:
        """Store a user's template.

        Raises:
            LimitReachedError: The user has ten in draft or review.
        """

        def insert(transaction: Transaction) -> None:
            found = transaction.run("count_pending_templates", user_id=template.user_id)
            if found[0]["total"] >= MAX_PENDING:
                raise LimitReachedError("templates in draft or review", MAX_PENDING)
            self._insert(transaction, template)

        await self._database.write(insert)

    async def offer(self, templates: Sequence[NewTemplate]) -> None:
        """Store those that come with the platform, in place of those of the last version."""

        def insert(transaction: Transaction) -> None:
            for template in templates:
                self._insert(transaction, template)

        await self._database.write(insert)

    def _insert(self, transaction: Transaction, template: NewTemplate) -> None:
        transaction.run(
            "add_template",
            id=template.id,
            user_id=template.user_id,
            project_id=template.project_id,
            environment_id=template.environment_id,
            status=template.status,
            configurations=json.dumps(template.configurations),
            created_at=format_time(self._now()),
            **_columns(template.text),
        )

    async def get(self, template_id: str) -> Template | None:
        """One template, whoever owns it."""
        rows = await self._database.read("template", id=template_id)
        return _template(rows[0]) if rows else None

    async def of(self, user_id: str, *, limit: int, offset: int) -> tuple[list[Template], int]:
        """A page of a user's own, newest first, and how many there are."""
        rows = await self._database.read(
            "templates_of", user_id=user_id, limit=limit, offset=offset
        )
        return [_template(row) for row in rows], total_of(rows)

    async def listed(
        self, *, name: str | None, categories: Sequence[str] | None, limit: int, offset: int
    ) -> tuple[list[Template], int]:
        """A page of what everybody may buy, and how many there are."""
        rows = await self._database.read(
            "listed_templates",
            name=name,
            categories=None if categories is None else json.dumps([*categories]),
            limit=limit,
            offset=offset,
        )
        return [_template(row) for row in rows], total_of(rows)

    async def counts(self, name: str | None) -> Mapping[str, int]:
        """How many listed templates each category has."""
        rows = await self._database.read("template_counts", name=name)
        return {row["name"]: row["count"] for row in rows}

    async def in_status(self, status: TemplateStatus) -> list[Template]:
        """Everybody's in one state, the longest waiting first."""
        return [_template(row) for row in await self._database.read("templates_in", status=status)]

    async def update(self, template_id: str, text: TemplateText) -> None:
        """Replace what is written about a template."""
        now = format_time(self._now())
        await self._database.run("update_template", id=template_id, now=now, **_columns(text))

    async def move(
        self,
        template_id: str,
        to: TemplateStatus,
        *,
        allowed: Sequence[TemplateStatus],
        reason: str | None = None,
    ) -> None:
        """Change a template's state, and keep why it was rejected.

        Raises:
            WrongStateError: It is in none of the states that allow it.
        """
        now = format_time(self._now())

        def change(transaction: Transaction) -> None:
            rows = transaction.run("template", id=template_id)
            present = TemplateStatus(rows[0]["status"]) if rows else TemplateStatus.DELETED
            if present not in allowed:
                raise WrongStateError(
                    f"The template is {present}; only {' or '.join(allowed)} can become {to}."
                )
            transaction.run("set_template_status", id=template_id, status=to, now=now)
            if reason is not None:
                transaction.run(
                    "add_rejection", template_id=template_id, reason=reason, created_at=now
                )

        await self._database.write(change)

    async def rejections(self, template_id: str) -> list[Rejection]:
        """Why reviews did not list a template, newest first."""
        rows = await self._database.read("rejections", template_id=template_id)
        return [
            Rejection(**{field.name: row[field.name] for field in fields(Rejection)})
            for row in rows
        ]

    async def buy(self, template_id: str, user_id: str) -> Purchase:
        """Sell a listed template to a user: what the one pays is what the other gets.

        Raises:
            NotFoundError: It is not listed.
            WrongStateError: The user owns it, or has too few credits.
        """
        now, purchase_id = format_time(self._now()), new_id()

        def sell(transaction: Transaction) -> Purchase:
            rows = transaction.run("template", id=template_id)
            template = _template(rows[0]) if rows else None
            if template is None or template.status is not TemplateStatus.LISTED:
                raise NotFoundError("listed template", template_id)
            owned = transaction.run("purchase_of", user_id=user_id, template_id=template_id)
            if template.user_id == user_id or owned:
                raise WrongStateError("You own this template already.")
            price = template.text.amount_cents
            balance = transaction.run("balance", user_id=user_id)[0]["cents"]
            if price > balance:
                raise WrongStateError(
                    f"The template costs {price / 100:.2f} credits and you have "
                    f"{balance / 100:.2f}. The owner of this machine adds some: "
                    "`createos-mcp platform credits add`."
                )
            transaction.run(
                "add_purchase",
                id=purchase_id,
                user_id=user_id,
                template_id=template_id,
                amount_cents=price,
                created_at=now,
            )
            for holder, amount in ((user_id, -price), (template.user_id, price)):
                if holder is not None and amount:
                    transaction.run(
                        "add_credit",
                        user_id=holder,
                        amount_cents=amount,
                        reason=f"purchase {purchase_id}",
                        created_at=now,
                    )
            return _purchase(transaction.run("purchase", user_id=user_id, id=purchase_id)[0])

        return await self._database.write(sell)

    async def purchase_of(self, template_id: str, user_id: str) -> Purchase | None:
        """A user's purchase of a template."""
        rows = await self._database.read("purchase_of", user_id=user_id, template_id=template_id)
        return _purchase(rows[0]) if rows else None

    async def purchase(self, purchase_id: str, user_id: str) -> Purchase | None:
        """A purchase, if it is that user's."""
        rows = await self._database.read("purchase", user_id=user_id, id=purchase_id)
        return _purchase(rows[0]) if rows else None

    async def purchases(
        self, user_id: str, *, limit: int, offset: int
    ) -> tuple[list[Purchase], int]:
        """A page of a user's purchases, newest first, and how many there are."""
        rows = await self._database.read("purchases", user_id=user_id, limit=limit, offset=offset)
        return [_purchase(row) for row in rows], total_of(rows)

    async def add_credits(self, user_id: str, amount_cents: int, reason: str) -> int:
        """Book an amount, and return the balance after it.

        Raises:
            WrongStateError: The balance would be less than nothing.
        """

        def book(transaction: Transaction) -> int:
            balance = int(transaction.run("balance", user_id=user_id)[0]["cents"])
            if balance + amount_cents < 0:
                raise WrongStateError(f"The balance is {balance / 100:.2f}.")
            transaction.run(
                "add_credit",
                user_id=user_id,
                amount_cents=amount_cents,
                reason=reason,
                created_at=format_time(self._now()),
            )
            return balance + amount_cents

        return await self._database.write(book)

    async def balance(self, user_id: str) -> int:
        """What a user has to spend, in cents."""
        return int((await self._database.read("balance", user_id=user_id))[0]["cents"])


def _columns(text: TemplateText) -> dict[str, str | int]:
    return {
        "name": text.name,
        "description": text.description,
        "overview": text.overview,
        "use_cases": text.use_cases,
        "video_url": text.video_url,
        "image_uri": text.image_uri,
        "categories": json.dumps([*text.categories]),
        "amount_cents": text.amount_cents,
    }


def _template(row: sqlite3.Row) -> Template:
    text = TemplateText(
        name=row["name"],
        description=row["description"],
        overview=row["overview"],
        use_cases=row["use_cases"],
        video_url=row["video_url"],
        image_uri=row["image_uri"],
        categories=json.loads(row["categories"]),
        amount_cents=row["amount_cents"],
    )
    return Template(
        id=row["id"],
        user_id=row["user_id"],
        author=row["author"],
        project_id=row["project_id"],
        environment_id=row["environment_id"],
        text=text,
        status=TemplateStatus(row["status"]),
        configurations=json.loads(row["configurations"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _purchase(row: sqlite3.Row) -> Purchase:
    return Purchase(
        id=row["id"],
        user_id=row["user_id"],
        template_id=row["template_id"],
        amount_cents=row["amount_cents"],
        created_at=row["created_at"],
    )
