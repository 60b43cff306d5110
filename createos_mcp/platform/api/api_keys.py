"""API keys: create, list, rename, revoke."""

from datetime import datetime

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.api.auth import hash_of, new_key
from createos_mcp.platform.errors import InvalidRequestError, NotFoundError
from createos_mcp.platform.models import ApiKey
from createos_mcp.platform.timestamps import format_time


def serialize_api_key(key: ApiKey) -> dict[str, Json]:
    """A key as the API shows it, never with its secret."""
    return {
        "id": key.id,
        "userId": key.user_id,
        "name": key.name,
        "description": key.description,
        "expiredAt": key.expired_at,
        "revokedAt": key.revoked_at,
        "createdAt": key.created_at,
        "updatedAt": key.updated_at,
    }


async def check_api_key_name(request: ApiRequest) -> Json:
    """Whether no live key of the user has that name."""
    return {"isAvailable": await _is_name_available(request, request.arguments["uniqueName"])}


async def create_api_key(request: ApiRequest) -> Json:
    """Make a key; the answer is the only place where its secret is ever shown."""
    accounts, limit = request.services.store.accounts, request.services.config.max_api_keys
    expiry = datetime.fromisoformat(request.arguments["expiryAt"])
    if expiry <= request.services.now():
        raise InvalidRequestError("expiryAt: the date has passed; give one in the future.")
    if len(await accounts.live_keys(request.user.id)) >= limit:
        raise InvalidRequestError(f"The limit of {limit} API keys is reached. Revoke one.")
    await _refuse_taken(request, request.arguments["name"])
    secret = new_key()
    key = await accounts.add_key(
        user_id=request.user.id,
        name=request.arguments["name"],
        description=request.arguments.get("description"),
        expired_at=format_time(expiry),
        secret_hash=hash_of(secret),
    )
    return {"id": key.id, "secret": secret}


async def list_api_keys(request: ApiRequest) -> Json:
    """The user's keys.

    Raises:
        NotFoundError: There are none; the API answers 404 for that.
    """
    keys = await request.services.store.accounts.live_keys(request.user.id)
    if not keys:
        raise NotFoundError("API key of", request.user.name)
    return [serialize_api_key(key) for key in keys]


async def update_api_key(request: ApiRequest) -> Json:
    """Change what a key is called."""
    key = await _find_api_key(request)
    if request.arguments["name"] != key.name:
        await _refuse_taken(request, request.arguments["name"])
    await request.services.store.accounts.update_key(
        key.id,
        name=request.arguments["name"],
        description=request.arguments.get("description", key.description),
    )
    return "API key updated."


async def revoke_api_key(request: ApiRequest) -> Json:
    """End a key at once."""
    key = await _find_api_key(request)
    await request.services.store.accounts.revoke_key(key.id)
    return "API key revoked."


async def _find_api_key(request: ApiRequest) -> ApiKey:
    key_id = request.arguments["api_key_id"]
    for key in await request.services.store.accounts.live_keys(request.user.id):
        if key.id == key_id:
            return key
    raise NotFoundError("API key", key_id)


async def _is_name_available(request: ApiRequest, name: str) -> bool:
    keys = await request.services.store.accounts.live_keys(request.user.id)
    return all(key.name != name for key in keys)


async def _refuse_taken(request: ApiRequest, name: str) -> None:
    if not await _is_name_available(request, name):
        raise InvalidRequestError(f"name: the API key name {name!r} is taken; choose another.")


HANDLERS: Handlers = {
    "CheckAPIKeyUniqueName": check_api_key_name,
    "CreateAPIKey": create_api_key,
    "ListAPIKeys": list_api_keys,
    "UpdateAPIKey": update_api_key,
    "RevokeAPIKey": revoke_api_key,
}
