"""What stands before `emulate`: the few paths of GitHub that it does not serve, and the git host.

Tokens, installations, repositories and deliveries are those of `emulate`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from createos_mcp.contract.values import Json
from createos_mcp.platform.gateway.listeners import Listeners

_LEFT_OUT = {"host", "content-length", "transfer-encoding", "content-encoding", "connection"}


@dataclass(kw_only=True)
class Front:
    """Its address, and the statuses of commits that it was told."""

    url: str = ""
    statuses: list[Json] = field(default_factory=list)


@asynccontextmanager
async def github_front(
    api_url: str, git_url: str, git_key: str, installations: Mapping[str, int]
) -> AsyncIterator[Front]:
    """GitHub with statuses, installations of users and their repositories, and git.

    Args:
        api_url: Of `emulate`.
        git_url: Of a git host with the repositories.
        git_key: What that host is asked with; who asks here needs a token of `emulate`.
        installations: Those of each user, by name.
    """
    front = Front()

    async def repositories(request: Request) -> Response:
        told = await client.get(f"{api_url}/user/repos", headers=_passed(request))
        if told.is_error:
            return Response(told.content, told.status_code)
        rows = told.json()
        return JSONResponse({"total_count": len(rows), "repositories": rows})

    async def status(request: Request) -> Response:
        body = await request.json()
        valid = body["state"] in {"error", "failure", "pending", "success"}
        if not valid or len(body.get("description", "")) > 140:
            return JSONResponse({"message": "Validation Failed"}, 422)
        front.statuses.append({**body, "sha": request.path_params["sha"]})
        return JSONResponse(body, 201)

    async def git(request: Request) -> Response:
        headers = {**_passed(request), "x-api-key": git_key}
        headers.pop("authorization", None)
        if "authorization" not in request.headers:
            return Response(status_code=401, headers={"www-authenticate": "Basic"})
        address = f"{git_url}{request.url.path}?{request.url.query}"
        told = await client.request(
            request.method, address, headers=headers, content=await request.body()
        )
        return Response(told.content, told.status_code, headers=_kept(told))

    async def other(request: Request) -> Response:
        address = f"{api_url}{request.url.path}?{request.url.query}"
        told = await client.request(
            request.method, address, headers=_passed(request), content=await request.body()
        )
        return Response(told.content, told.status_code, headers=_kept(told))

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    listeners = Listeners(
        Starlette(
            routes=[
                Route("/installation/repositories", repositories),
                Route("/user/installations", partial(_show_installations, api_url, installations)),
                Route("/repos/{owner}/{name}/statuses/{sha}", status, methods=["POST"]),
                Route("/octo/{rest:path}", git, methods=["GET", "POST"]),
                Route("/{rest:path}", other, methods=every),
            ]
        )
    )
    async with httpx2.AsyncClient(timeout=60) as client:
        front.url = f"http://127.0.0.1:{await listeners.open(0)}"
        yield front
        await listeners.close_all()


async def _show_installations(
    api_url: str, installations: Mapping[str, int], request: Request
) -> Response:
    async with httpx2.AsyncClient() as client:
        told = await client.get(f"{api_url}/user", headers=_passed(request))
    if told.is_error:
        return Response(told.content, told.status_code)
    rows = [
        {"id": number, "account": {"login": account}}
        for account, number in installations.items()
        if account == told.json()["login"]
    ]
    return JSONResponse({"total_count": len(rows), "installations": rows})


def _passed(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in _LEFT_OUT}


def _kept(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _LEFT_OUT}
