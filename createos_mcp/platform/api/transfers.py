"""Transfers: an owner makes a token, another user takes the project over with it."""

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.errors import ForbiddenError, InvalidRequestError
from createos_mcp.platform.models import Transfer
from createos_mcp.platform.states import ProjectStatus
from createos_mcp.platform.timestamps import format_time


def serialize_transfer(transfer: Transfer) -> dict[str, Json]:
    """A change of owner as the API shows it."""
    return {
        "id": transfer.id,
        "projectId": transfer.project_id,
        "fromUserId": transfer.from_user_id,
        "toUserId": transfer.to_user_id,
        "createdAt": transfer.created_at,
        "updatedAt": transfer.created_at,
    }


async def make_link(request: ApiRequest) -> Json:
    """A token for one transfer, and how the next owner uses it."""
    project = await request.project()
    if project.status is not ProjectStatus.ACTIVE:
        raise InvalidRequestError(f"The project is {project.status}, not active.")
    token, expires_at = request.services.transfer_tokens.issue(project.id, request.user.id)
    call = f"createos-mcp call TransferProject project_id={project.id} token=TOKEN"
    return {
        "token": token,
        "expiresAt": format_time(expires_at),
        "next": f"Give the token to the next owner, another user of this platform, to run: {call}",
    }


async def accept_transfer(request: ApiRequest) -> Json:
    """Make the caller the owner of the token's project.

    The token is read first: who has none does not learn which projects there are.
    """
    token = request.services.transfer_tokens.read(request.arguments["token"])
    if token.project_id != request.arguments["project_id"]:
        raise ForbiddenError("The transfer token is for another project.")
    await request.services.store.transfers.accept(
        token, request.user.id, limit=request.services.config.max_projects
    )
    return "You now own the project with its environments, deployments and addresses."


async def history(request: ApiRequest) -> Json:
    """A project's changes of owner, newest first."""
    project = await request.project()
    return [
        serialize_transfer(transfer)
        for transfer in await request.services.store.transfers.of(project.id)
    ]


HANDLERS: Handlers = {
    "GetProjectTransferUri": make_link,
    "TransferProject": accept_transfer,
    "ListProjectTransferHistory": history,
}
