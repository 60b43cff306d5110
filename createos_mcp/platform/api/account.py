"""The user, what they may have, and what a project can be made of."""

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.build.frameworks import SUPPORTED


async def get_current_user(request: ApiRequest) -> Json:
    """The profile that the key belongs to."""
    user = request.user
    return {
        "id": user.id,
        "email": user.email,
        "displayName": user.name,
        "username": user.name,
        "profileImagePath": None,
        "suspendedAt": None,
        "createdAt": user.created_at,
        "updatedAt": user.created_at,
    }


async def get_quotas(request: ApiRequest) -> Json:
    """How much of each limit is used."""
    services = request.services
    _, projects = await services.store.projects.page(request.user.id, limit=1, offset=0)
    keys = await services.store.accounts.live_keys(request.user.id)
    return {
        "projects": _counter(projects, services.config.max_projects),
        "apiKeys": _counter(len(keys), services.config.max_api_keys),
    }


def _counter(current: int, limit: int) -> dict[str, int]:
    return {"current": current, "max": limit, "remaining": max(limit - current, 0)}


async def get_supported_types(_request: ApiRequest) -> Json:
    """Runtimes and frameworks, with the settings that each brings."""
    return SUPPORTED


HANDLERS: Handlers = {
    "GetCurrentUser": get_current_user,
    "GetQuotas": get_quotas,
    "GetSupportedProjectTypes": get_supported_types,
}
