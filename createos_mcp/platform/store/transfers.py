"""Transfers: a project changes hands, once for each token."""

from collections.abc import Callable
from datetime import datetime

from createos_mcp.platform.errors import (
    ForbiddenError,
    InvalidRequestError,
    LimitReachedError,
    NameTakenError,
    NotFoundError,
    TransferTokenError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Project, Transfer
from createos_mcp.platform.states import ProjectStatus
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import project_of, transfer_of
from createos_mcp.platform.store.transfer_tokens import TransferToken
from createos_mcp.platform.timestamps import format_time


class Transfers:
    """Reads and durable writes of who has owned a project."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def accept(self, token: TransferToken, to_user_id: str, *, limit: int) -> None:
        """Give the token's project to a user and use the token up, in one step.

        The project leaves its app; all else that belongs to it stays as it is.

        Raises:
            TransferTokenError: The token was used.
            NotFoundError: The project is gone.
            ForbiddenError: The one who made the token does not own the project any more, or the
                receiver owns it already.
            InvalidRequestError: The project is not active.
            NameTakenError: The receiver has a project of that name.
            LimitReachedError: The receiver has `limit` projects.
        """
        now = format_time(self._now())

        def hand_over(transaction: Transaction) -> None:
            if transaction.run("transfer_by_token", token_id=token.id):
                raise TransferTokenError("has already been used")
            project = _transferred_project(transaction, token, to_user_id)
            _check_room(transaction, project, to_user_id, limit)
            transaction.run("give_project", id=project.id, user_id=to_user_id, now=now)
            transaction.run(
                "add_transfer",
                id=new_id(),
                token_id=token.id,
                project_id=project.id,
                from_user_id=token.from_user_id,
                to_user_id=to_user_id,
                created_at=now,
            )

        await self._database.write(hand_over)

    async def of(self, project_id: str) -> list[Transfer]:
        """A project's changes of owner, newest first."""
        rows = await self._database.read("transfers", project_id=project_id)
        return [transfer_of(row) for row in rows]


def _transferred_project(
    transaction: Transaction, token: TransferToken, to_user_id: str
) -> Project:
    """The project that the token is about, when it may go to that user."""
    rows = transaction.run("project", id=token.project_id)
    if not rows:
        raise NotFoundError("project", token.project_id)
    project = project_of(rows[0])
    if project.user_id == to_user_id:
        raise ForbiddenError("You already own the project; the token is for another user.")
    if project.user_id != token.from_user_id:
        raise ForbiddenError("The creator of this token no longer owns the project.")
    if project.status is not ProjectStatus.ACTIVE:
        raise InvalidRequestError(f"The project is {project.status}, not active.")
    return project


def _check_room(transaction: Transaction, project: Project, to_user_id: str, limit: int) -> None:
    name = project.unique_name
    if transaction.run("project_named", user_id=to_user_id, unique_name=name):
        raise NameTakenError("project", name)
    if transaction.run("count_projects", user_id=to_user_id)[0]["total"] >= limit:
        raise LimitReachedError("projects", limit)
