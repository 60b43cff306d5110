import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from createos_mcp.remote.content_negotiation import NegotiatedAnswers, accepted_forms

JSON, EVENTS = "application/json", "text/event-stream"


@pytest.mark.parametrize(
    ("accept", "forms"),
    [
        (None, {JSON, EVENTS}),
        ("", {JSON, EVENTS}),
        ("*/*", {JSON, EVENTS}),
        ("application/*", {JSON}),
        ("TEXT/event-stream; q=0.5", {EVENTS}),
        ("application/json, text/event-stream;q=0", {JSON}),
        ("text/html", set()),
    ],
)
def test_the_forms_that_a_client_accepts_are_told(accept: str | None, forms: set[str]) -> None:
    assert accepted_forms(accept.encode() if accept is not None else None) == forms


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_an_answer_is_found_however_its_stream_is_cut(size: int) -> None:
    notice = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"text": "a\nb"}}
    stream = "".join(
        f"event: message\r\ndata: {json.dumps(event)}\r\n\r\n" for event in (notice, answer)
    ).encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", EVENTS.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at in range(0, len(stream), size):
            piece = stream[at : at + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"accept", JSON.encode())]}
    await NegotiatedAnswers(app)(scope, receive, send)

    start, body = sent
    assert dict(start["headers"])[b"content-type"] == JSON.encode()
    assert json.loads(body["body"]) == answer
