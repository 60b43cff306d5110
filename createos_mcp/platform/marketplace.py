"""The marketplace, as the owner of the machine runs it: reviews, and the credits of users."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from createos_mcp.platform.api.auth import ensure_first_key
from createos_mcp.platform.api.templates import in_cents
from createos_mcp.platform.errors import NotFoundError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.states import TemplateStatus
from createos_mcp.platform.store.store import Store, open_store
from createos_mcp.platform.store.templates import Template

_NO_PORTS = range(0)


async def list_for_review(data_dir: DataDir) -> Sequence[Template]:
    """Templates that wait for a review, the longest waiting first."""
    async with _open(data_dir) as store:
        return await store.templates.in_status(TemplateStatus.UNDER_REVIEW)


async def review(data_dir: DataDir, template_id: str, rejection: str | None) -> TemplateStatus:
    """List a template, or say why not.

    Raises:
        WrongStateError: It does not wait for a review.
    """
    status = TemplateStatus.LISTED if rejection is None else TemplateStatus.REJECTED
    async with _open(data_dir) as store:
        await store.templates.move(
            template_id, status, allowed=[TemplateStatus.UNDER_REVIEW], reason=rejection
        )
    return status


async def add_credits(data_dir: DataDir, user: str, amount: float) -> int:
    """Give a user credits, or take some; the balance after it, in cents.

    Raises:
        NotFoundError: There is no such user.
        InvalidRequestError: The amount has more than two decimals.
        WrongStateError: The balance would be less than nothing.
    """
    async with _open(data_dir) as store:
        for one in await store.accounts.users():
            if one.name.lower() == user.lower():
                reason = "given by the owner of the machine"
                return await store.templates.add_credits(one.id, in_cents(amount), reason)
    raise NotFoundError("user", user)


@asynccontextmanager
async def _open(data_dir: DataDir) -> AsyncIterator[Store]:
    async with open_store(
        data_dir.database,
        app_ports=_NO_PORTS,
        sealer=Sealer(data_dir.sealing_key),
        now=lambda: datetime.now(UTC),
    ) as store:
        await ensure_first_key(store.accounts, data_dir.key_file)
        yield store
