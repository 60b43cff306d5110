"""An engine that cannot ask a registry for a digest, as Podman: the image is pulled, then read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.errors import BuildFailedError

DIGEST = "sha256:" + "0123456789abcdef" * 4
NAME = "registry.test:5000/team/app"


@asynccontextmanager
async def podman(directory: Path, *, has_image: bool) -> AsyncIterator[Images]:
    """Podman 4.3's answers to what a lookup asks, word for word."""
    pulled: set[str] = set()

    async def tell_version(_: web.Request) -> web.Response:
        return web.json_response({"Version": "4.3.1", "ApiVersion": "1.41"})

    async def pull(request: web.Request) -> web.Response:
        if not has_image:
            said = {"error": f"reading manifest 1 in {NAME}: manifest unknown: manifest unknown"}
            return web.json_response(said)
        pulled.update({f"{NAME}:{request.query['tag']}", f"{NAME}@{DIGEST}"})
        return web.json_response({"status": "Download complete", "id": "94bffcbd9e85"})

    async def show(request: web.Request) -> web.Response:
        if request.match_info["name"] not in pulled:
            return web.json_response({"message": "no such image"}, status=404)
        config: Json = {"ExposedPorts": {"8080/tcp": {}}}
        return web.json_response({"RepoDigests": [f"{NAME}@{DIGEST}"], "Config": config})

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(text="Not Found", status=404)

    app = web.Application()
    app.router.add_get("/version", tell_version)
    app.router.add_post("/v1.41/images/create", pull)
    app.router.add_get("/v1.41/images/{name:.+}/json", show)
    app.router.add_get("/{any:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    socket = directory / "p.sock"
    await web.UnixSite(runner, str(socket)).start()
    try:
        async with DockerApi(f"unix://{socket}") as api:
            yield Images(api)
    finally:
        await runner.cleanup()


async def test_an_image_is_run_by_the_digest_that_was_pulled(tmp_path: Path) -> None:
    lines: list[str] = []

    async def keep(more: Sequence[str]) -> None:
        lines.extend(more)

    async with podman(tmp_path, has_image=True) as images:
        release = await images.pull(f"{NAME}:1", None, keep)
    assert (release.image, release.exposed) == (f"{NAME}@{DIGEST}", (8080,))
    assert f"{NAME}:1 is {NAME}@{DIGEST}" in lines


async def test_a_tag_that_is_not_there_is_told_as_one(tmp_path: Path) -> None:
    async def ignore(_: Sequence[str]) -> None:
        return

    async with podman(tmp_path, has_image=False) as images:
        with pytest.raises(BuildFailedError, match=r"registry.test:5000 has no team/app with"):
            await images.pull(f"{NAME}:1", None, ignore)
