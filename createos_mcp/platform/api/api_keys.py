"""API keys: create, list, rename, revoke."""

from datetime import datetime

from createos_mcp.contract.operations import Json
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


async def check_api_key_name(call: ApiRequest) -> Json:
    """Whether no live key of the user has that name."""
    return {"isAvailable": await _is_name_available(call, call.arguments["uniqueName"])}


async def create_api_key(call: ApiRequest) -> Json:
    """Make a key; the answer is the only place where its secret is ever shown."""
    accounts, limit = call.services.store.accounts, call.services.config.max_api_keys
    expiry = datetime.fromisoformat(call.arguments["expiryAt"])
    if expiry <= call.services.now():
        raise InvalidRequestError("expiryAt: the date has passed; give one in the future.")
    if len(await accounts.live_keys(call.user.id)) >= limit:
        raise InvalidRequestError(f"The limit of {limit} API keys is reached. Revoke one.")
    await _refuse_taken(call, call.arguments["name"])
    secret = new_key()
    key = await accounts.add_key(
        user_id=call.user.id,
        name=call.arguments["name"],
        description=call.arguments.get("description"),
        expired_at=format_time(expiry),
        secret_hash=hash_of(secret),
    )
    return {"id": key.id, "secret": secret}


async def list_api_keys(call: ApiRequest) -> Json:
    """The user's keys.

    Raises:
        NotFoundError: There are none; the API answers 404 for that.
    """
    keys = await call.services.store.accounts.live_keys(call.user.id)
    if not keys:
        raise NotFoundError("API key of", call.user.name)
    return [serialize_api_key(key) for key in keys]


async def update_api_key(call: ApiRequest) -> Json:
    """Change what a key is called."""
    key = await _find_api_key(call)
    if call.arguments["name"] != key.name:
        await _refuse_taken(call, call.arguments["name"])
    await call.services.store.accounts.update_key(
        key.id,
        name=call.arguments["name"],
        description=call.arguments.get("description", key.description),
    )
    return "The API key is updated."


async def revoke_api_key(call: ApiRequest) -> Json:
    """End a key at once."""
    key = await _find_api_key(call)
    await call.services.store.accounts.revoke_key(key.id)
    return "The API key is revoked."


async def _find_api_key(call: ApiRequest) -> ApiKey:
    key_id = call.arguments["api_key_id"]
    for key in await call.services.store.accounts.live_keys(call.user.id):
        if key.id == key_id:
            return key
    raise NotFoundError("API key", key_id)


async def _is_name_available(call: ApiRequest, name: str) -> bool:
    keys = await call.services.store.accounts.live_keys(call.user.id)
    return all(key.name != name for key in keys)


async def _refuse_taken(call: ApiRequest, name: str) -> None:
    if not await _is_name_available(call, name):
        raise InvalidRequestError(f"name: the API key name {name!r} is taken; choose another.")


HANDLERS: Handlers = {
    "CheckAPIKeyUniqueName": check_api_key_name,
    "CreateAPIKey": create_api_key,
    "ListAPIKeys": list_api_keys,
    "UpdateAPIKey": update_api_key,
    "RevokeAPIKey": revoke_api_key,
}
