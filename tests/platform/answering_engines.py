"""Something at a socket that says it is a container engine, and can do nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web


@asynccontextmanager
async def answering_engine(directory: Path) -> AsyncIterator[str]:
    """The address of an engine that tells its version alone."""

    async def tell_version(_: web.Request) -> web.Response:
        return web.json_response({"Version": "28.0", "ApiVersion": "1.47", "MinAPIVersion": "1.24"})

    app = web.Application()
    app.router.add_get("/version", tell_version)
    runner = web.AppRunner(app)
    await runner.setup()
    socket = directory / "engine.sock"
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield f"unix://{socket}"
    finally:
        await runner.cleanup()
