"""Deliveries of GitHub: signed, answered at once, and no more than a reason to look.

What a delivery says of branches is not believed: the branches are fetched and compared, so that
one that comes twice, late or in another order changes nothing.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from cachetools import TTLCache
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import Services

MAX_BYTES = 25 * 2**20
"""GitHub sends no larger ones: https://docs.github.com/webhooks/webhook-events-and-payloads."""

_REMEMBERED, _REMEMBERED_S = 10_000, 24 * 3600
_MOVING = {"push", "create", "delete"}
_GONE = {"deleted", "suspend"}


def take_deliveries(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that a GitHub App names as its webhook."""
    seen: TTLCache[str, None] = TTLCache(_REMEMBERED, _REMEMBERED_S)

    async def endpoint(request: Request) -> Response:
        body = await _read(request)
        if body is None:
            return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The delivery is too large.")
        signature = request.headers.get("x-hub-signature-256", "")
        if not await services.github_accounts.is_from_github(body, signature):
            return _answer(HTTPStatus.UNAUTHORIZED, "The delivery is not signed by GitHub.")
        try:
            delivered = json.loads(body)
        except ValueError:
            delivered = None
        if not isinstance(delivered, dict):
            return _answer(HTTPStatus.BAD_REQUEST, "The delivery is not a JSON object.")
        number = request.headers.get("x-github-delivery", "")
        if number and number in seen:
            return _answer(HTTPStatus.ACCEPTED, "This delivery came before.")
        seen[number] = None
        event = request.headers.get("x-github-event", "")
        services.background.start(_act, services, event, delivered)
        return _answer(HTTPStatus.ACCEPTED, "Looking.")

    return endpoint


async def _read(request: Request) -> bytes | None:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                return None
    except ClientDisconnect:
        return None
    return body


async def _act(services: Services, event: str, delivered: Mapping[str, Json]) -> None:
    repository, installation = delivered.get("repository"), delivered.get("installation")
    if event in _MOVING and isinstance(repository, dict):
        await services.mirrors.look_at_remote(str(repository.get("id")))
    gone = event == "installation" and delivered.get("action") in _GONE
    if gone and isinstance(installation, dict) and isinstance(installation.get("id"), int):
        await services.store.git_accounts.remove_installation(installation["id"])


def _answer(status: int, text: str) -> Response:
    kind = "success" if status < HTTPStatus.BAD_REQUEST else "fail"
    return JSONResponse({"status": kind, "data": text}, status)
