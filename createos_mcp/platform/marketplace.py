"""The marketplace, as the owner of the machine runs it: reviews, and the credits of users."""

from collections.abc import Sequence

from createos_mcp.platform.api.templates import in_cents
from createos_mcp.platform.owner_store import find_user, open_owner_store
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.states import TemplateStatus
from createos_mcp.platform.store.templates import Template


async def list_for_review(data_dir: DataDir) -> Sequence[Template]:
    """Templates that wait for a review, the longest waiting first."""
    async with open_owner_store(data_dir) as store:
        return await store.templates.in_status(TemplateStatus.UNDER_REVIEW)


async def review(data_dir: DataDir, template_id: str, rejection: str | None) -> TemplateStatus:
    """List a template, or say why not.

    Raises:
        WrongStateError: It does not wait for a review.
    """
    status = TemplateStatus.LISTED if rejection is None else TemplateStatus.REJECTED
    async with open_owner_store(data_dir) as store:
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
    async with open_owner_store(data_dir) as store:
        one = await find_user(store, user)
        reason = "given by the owner of the machine"
        return await store.templates.add_credits(one.id, in_cents(amount), reason)
