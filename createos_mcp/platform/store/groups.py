"""Groups of projects, which the API calls apps."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from createos_mcp.platform.errors import InvalidRequestError, LimitReachedError, NotFoundError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Group
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import group_of
from createos_mcp.platform.timestamps import format_time


class Groups:
    """Reads and durable writes of groups and of what belongs to them."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(
        self, *, user_id: str, name: str, description: str | None, color: str, limit: int
    ) -> Group:
        """Store a group.

        Raises:
            LimitReachedError: The user has `limit` groups.
        """
        group_id, now = new_id(), format_time(self._now())

        def insert(transaction: Transaction) -> Group:
            if len(transaction.run("groups", user_id=user_id)) >= limit:
                raise LimitReachedError("apps", limit)
            transaction.run(
                "add_group",
                id=group_id,
                user_id=user_id,
                name=name,
                description=description,
                color=color,
                created_at=now,
            )
            return group_of(transaction.run("group", id=group_id)[0])

        return await self._database.write(insert)

    async def of(self, user_id: str) -> list[Group]:
        """A user's groups, oldest first."""
        return [group_of(row) for row in await self._database.read("groups", user_id=user_id)]

    async def get(self, user_id: str, group_id: str) -> Group:
        """One group of that user.

        Raises:
            NotFoundError: The user has no such group.
        """
        rows = await self._database.read("group", id=group_id)
        if not rows or rows[0]["user_id"] != user_id:
            raise NotFoundError("app", group_id)
        return group_of(rows[0])

    async def update(
        self, group_id: str, *, name: str, description: str | None, color: str
    ) -> None:
        """Change what a group is called and looks like."""
        now = format_time(self._now())
        await self._database.run(
            "update_group",
            id=group_id,
            name=name,
            description=description,
            color=color,
            now=now,
        )

    async def remove(self, group_id: str) -> None:
        """Forget a group; its projects stay, and belong to none."""
        await self._database.run("remove_group", id=group_id)

    async def take_in(self, group: Group, project_ids: Sequence[str]) -> None:
        """Put projects into a group, out of the one they were in: all of them or none.

        Raises:
            NotFoundError: The user has no such project.
        """

        def assign(transaction: Transaction) -> None:
            for project_id in project_ids:
                _owned_project(transaction, group, project_id)
                transaction.run("group_project", id=project_id, app_id=group.id)

        await self._database.write(assign)

    async def let_go(self, group: Group, project_ids: Sequence[str]) -> None:
        """Take projects out of a group: all of them or none.

        Raises:
            NotFoundError: The user has no such project.
            InvalidRequestError: One is not in the group.
        """

        def release(transaction: Transaction) -> None:
            for project_id in project_ids:
                if _owned_project(transaction, group, project_id)["app_id"] != group.id:
                    raise InvalidRequestError(
                        f"projectIds: {project_id!r} is not in the app {group.name!r}; "
                        "ListProjectsByApp lists its projects."
                    )
                transaction.run("group_project", id=project_id, app_id=None)

        await self._database.write(release)


def _owned_project(transaction: Transaction, group: Group, project_id: str) -> sqlite3.Row:
    """A project of the one whose group that is."""
    rows = transaction.run("project", id=project_id)
    if not rows or rows[0]["user_id"] != group.user_id:
        raise NotFoundError("project", project_id)
    return rows[0]
