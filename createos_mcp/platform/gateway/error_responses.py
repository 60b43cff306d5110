"""What the gateway answers in an app's place."""

import html
import json

from starlette.types import Receive, Scope, Send

NOT_FOUND = 404
BAD_GATEWAY = 502
UNAVAILABLE = 503


async def send_error(
    scope: Scope, send: Send, status: int, reason: str, *, retry_after_s: int | None = None
) -> None:
    """Answer a request: a small page for browsers, JSON for everyone else."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if b"text/html" in accepted:
        kind, text = b"text/html; charset=utf-8", f"<h1>{status}</h1><p>{html.escape(reason)}</p>"
    else:
        kind, text = b"application/json", json.dumps({"status": "fail", "data": reason})
    body = text.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reject_websocket(receive: Receive, send: Send, status: int) -> None:
    """Refuse a WebSocket's handshake; see the ASGI extension websocket.http.response."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})
