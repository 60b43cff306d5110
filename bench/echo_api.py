"""An API for benchmarks: answers every request with one project, in the platform's envelope."""

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]

PROJECT_ID = "7f0d8f0e-3c1b-4b0e-9d5e-0d7f3c1b4b0e"

SLOW_ID = "7f0d8f0e-0000-4000-8000-000000000010"
SLOW_S = 1.0
"""How long the answer about that project takes."""

FAR_ID = "7f0d8f0e-0000-4000-8000-000000000030"
FAR_S = (0.025, 0.035)
"""How long answers about that project are under way."""

LARGE_ID = "7f0d8f0e-0000-4000-8000-000000000040"
"""The answer about that project has 1 MB."""

PROJECT = {
    "id": PROJECT_ID,
    "uniqueName": "bench",
    "displayName": "Bench",
    "type": "upload",
    "status": "active",
    "settings": {"runtime": "node:20", "port": 3000, "runCommand": "node index.js"},
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
}
BODY = json.dumps({"status": "success", "data": PROJECT}).encode()
NOTES = [{"line": number, "text": f"note {number} of the project"} for number in range(17_000)]
LARGE_BODY = json.dumps({"status": "success", "data": {**PROJECT, "notes": NOTES}}).encode()


async def app(
    scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer; of the request only the project counts."""
    if scope["type"] == "http":
        if SLOW_ID in scope["path"]:
            await asyncio.sleep(SLOW_S)
        elif FAR_ID in scope["path"]:
            await asyncio.sleep(random.uniform(*FAR_S))  # noqa: S311 - nothing is kept secret
        body = LARGE_BODY if LARGE_ID in scope["path"] else BODY
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def started_api() -> AsyncIterator[str]:
    """This API in a process of its own; its address."""
    api = await asyncio.create_subprocess_exec(
        sys.executable, __file__, stdout=asyncio.subprocess.PIPE
    )
    try:
        port = (await api.stdout.readline()).decode().strip() if api.stdout else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        api.terminate()
        await api.wait()


def main() -> None:
    """Serve on a free port of 127.0.0.1, printed as the first line."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])


if __name__ == "__main__":
    main()
