"""Request messages: the JSON-RPC in a body, checked before the SDK sees it."""

import json
from dataclasses import replace
from typing import Any

from mcp_types import (
    INVALID_PARAMS,
    InitializeRequestParams,
    JSONRPCMessage,
    JSONRPCRequest,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from createos_mcp.server.messages import MalformedMessage, read_message

MESSAGE = "message"
"""The name in a request's state of the message that it carries."""

BAD_REQUEST = 400


class ReadableMessages:
    """Answers what is no message with its id, and mends what is one after all.

    The body has to be there whole already.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = await receive()
        message = read_message(request.get("body", b""))
        if not isinstance(message, MalformedMessage):
            message = message if _is_modern(scope) else _check_opening(message)
        if isinstance(message, MalformedMessage):
            await _refusal(message)(scope, receive, send)
            return
        scope["state"][MESSAGE] = message
        # What was checked, and not what somebody else may read otherwise.
        body = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        waiting = [{**request, "body": body}]

        async def replay() -> Any:  # noqa: ANN401 - whatever the server sends
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


def _is_modern(scope: Scope) -> bool:
    """Whether a request is of the era that has no `initialize`."""
    version = dict(scope["headers"]).get(b"mcp-protocol-version")
    return version is not None and version.decode("latin-1") in MODERN_PROTOCOL_VERSIONS


def _check_opening(message: JSONRPCMessage) -> JSONRPCMessage | MalformedMessage:
    """An `initialize` that cannot succeed shall open no session."""
    if not isinstance(message, JSONRPCRequest) or message.method != "initialize":
        return message
    try:
        InitializeRequestParams.model_validate(message.params or {}, by_name=False)
    except ValidationError as error:
        wrong = {".".join(str(part) for part in row["loc"]): row["msg"] for row in error.errors()}
        reason = "; ".join(f"{place}: {said}" for place, said in wrong.items())
        return MalformedMessage(
            code=INVALID_PARAMS, reason=f"Invalid params: {reason}", ids=(message.id,)
        )
    return message


def _refusal(message: MalformedMessage) -> Response:
    replies = message.replies or replace(message, ids=(None,)).replies
    body = replies[0] if len(replies) == 1 else replies
    return Response(json.dumps(body), BAD_REQUEST, media_type="application/json")
