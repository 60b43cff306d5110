"""Content negotiation: what a client accepts, and answers in that form.

The SDK answers only to clients that accept JSON and event streams alike. Many name one of them or
none, and are answered here all the same.
https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

import json
from collections.abc import Iterator

from mcp_types import INTERNAL_ERROR
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from createos_mcp.contract.values import Json
from createos_mcp.server.sdk_requests import ONE_ANSWER

JSON, EVENTS = "application/json", "text/event-stream"
BOTH = frozenset({JSON, EVENTS})

OK, ERROR = 200, 500

_LISTEN = b"subscriptions/listen"
"""The one method whose answer is nothing but a stream."""


class NegotiatedAnswers:
    """Has the SDK answer as it likes, and puts the answer into the form that was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; one that accepts neither form is left to the SDK, which refuses it."""
        given = dict(scope["headers"])
        forms = accepted_forms(given.get(b"accept"))
        is_post = scope["method"] == "POST"
        if forms == {JSON} and (not is_post or given.get(b"mcp-method") == _LISTEN):
            forms = frozenset()
        if not forms or (forms == BOTH and b"accept" in given and b"*" not in given[b"accept"]):
            await self._app(scope, receive, send)
            return
        others = [header for header in scope["headers"] if header[0] != b"accept"]
        accept = f"{JSON}, {EVENTS}".encode()
        asked = {**scope, "headers": [*others, (b"accept", accept)]}
        if is_post and forms == {JSON}:
            asked["state"] = {**scope.get("state", {}), ONE_ANSWER: True}
            await self._app(asked, receive, _OneAnswer(send))
        elif is_post and forms == {EVENTS}:
            await self._app(asked, receive, _Events(send))
        else:
            await self._app(asked, receive, send)


def accepted_forms(accept: bytes | None) -> frozenset[str]:
    """Which of the two forms an `Accept` header takes; without one, both."""
    if accept is None or not accept.strip():
        return BOTH
    return frozenset(
        form
        for media_range in accept.decode("latin-1").lower().split(",")
        for form in _forms_of(media_range)
    )


def _forms_of(media_range: str) -> Iterator[str]:
    kind, *parameters = (part.strip() for part in media_range.split(";"))
    weights = [part.partition("=")[2] for part in parameters if part.startswith("q=")]
    if any(not weight.strip("0.") for weight in weights):
        return
    for form in BOTH:
        if kind in {"*/*", form, f"{form.partition('/')[0]}/*"}:
            yield form


class _OneAnswer:
    """Waits for the answer within a stream, and sends it as JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._is_stream = self._is_over = False
        self._rest = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_stream = _type_of(message).startswith(EVENTS)
            self._start = message
        if not self._is_stream:
            await self._send(message)
        elif message["type"] == "http.response.body" and not self._is_over:
            await self._take(message)

    async def _take(self, message: Message) -> None:
        text = (self._rest + message.get("body", b"")).replace(b"\r\n", b"\n")
        *events, self._rest = text.split(b"\n\n")
        answer = next((data for event in events if _is_answer(data := _data_of(event))), None)
        if answer is not None:
            await self._finish(OK, answer)
        elif not message.get("more_body", False):
            error = {"code": INTERNAL_ERROR, "message": "The call ended without an answer"}
            text = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
            await self._finish(ERROR, text)

    async def _finish(self, status: int, body: bytes) -> None:
        self._is_over = True
        length = str(len(body)).encode()
        headers = [*_others(self._start), (b"content-type", JSON.encode())]
        start = {**self._start, "status": status}
        await self._send({**start, "headers": [*headers, (b"content-length", length)]})
        await self._send({"type": "http.response.body", "body": body})


class _Events:
    """Sends an answer that is JSON as the one event of a stream; errors of HTTP stay JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_json = False
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_json = message["status"] == OK and _type_of(message).startswith(JSON)
            if self._is_json:
                headers = [*_others(message), (b"content-type", EVENTS.encode())]
                message = {**message, "headers": headers}
            await self._send(message)
        elif not self._is_json:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                event = b"event: message\r\ndata: %s\r\n\r\n" % self._body
                await self._send({"type": "http.response.body", "body": event})


def _type_of(start: Message) -> str:
    headers = dict(start.get("headers", ()))
    return str(headers.get(b"content-type", b"").decode("latin-1"))


def _others(start: Message) -> list[tuple[bytes, bytes]]:
    """The headers that do not tell the body's form."""
    told = {b"content-type", b"content-length", b"transfer-encoding", b"connection"}
    return [header for header in start.get("headers", ()) if header[0] not in told]


def _data_of(event: bytes) -> bytes:
    lines = (line for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(line[len(b"data:") :].removeprefix(b" ") for line in lines)


def _is_answer(data: bytes) -> bool:
    """Whether an event is what the request waits for; others are notices and questions."""
    try:
        value: Json = json.loads(data)
    except ValueError:
        return False
    return isinstance(value, dict) and ("result" in value or "error" in value)
