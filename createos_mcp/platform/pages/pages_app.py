"""The dashboard as an ASGI app: addresses, sign-in and errors around the pages."""

import logging
import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from createos_mcp.platform.api.app import FAULT
from createos_mcp.platform.api.performing import Performer
from createos_mcp.platform.api.requests import bound_body
from createos_mcp.platform.errors import Refusal, UnauthorizedError
from createos_mcp.platform.gateway.page_names import page_host
from createos_mcp.platform.pages import (
    actions,
    deployment_pages,
    environment_pages,
    forms,
    machine_pages,
    overview_pages,
    project_pages,
)
from createos_mcp.platform.pages.page_guard import COOKIE, PageGuard
from createos_mcp.platform.pages.page_hosts import PageHosts
from createos_mcp.platform.pages.rendering import render
from createos_mcp.platform.pages.sign_in import SESSION_VALID_S, SignIn
from createos_mcp.platform.pages.visits import Page, Visit, go_to
from createos_mcp.platform.pages.watchers import Watchers

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

_ROOMS = (
    overview_pages,
    project_pages,
    deployment_pages,
    environment_pages,
    machine_pages,
    forms,
    actions,
)

_ID = re.compile(r"[0-9a-f-]{36}")


def create_pages(
    performer: Performer, *, api: ASGIApp, watchers: Watchers, label: str
) -> PageHosts:
    """The API and the dashboard on one listener, told apart by the host that is asked.

    Args:
        performer: Does what the pages show and change.
        api: Answers at every other name.
        watchers: What open pages look at.
        label: Random letters of the pages' own name.
    """
    sign_in = SignIn()
    host = page_host(label, performer.services.config.api_port)
    accounts = performer.services.store.accounts

    def serve(page: Page) -> Endpoint:
        async def endpoint(request: Request) -> ASGIApp:
            bounded = bound_body(request)
            visit = Visit(
                request=bounded,
                user=request.state.user,
                is_owner=request.state.is_owner,
                performer=performer,
                watchers=watchers,
                sign_in=sign_in,
            )
            try:
                return await page(visit)
            finally:
                await bounded.close()

        return endpoint

    routes = [
        Mount("/static", StaticFiles(packages=[(__package__, "static")])),
        Route("/login", _show_login),
        Route("/login", _sign_in_with(sign_in), methods=["POST"]),
        Route("/logout", _sign_out_of(sign_in), methods=["POST"]),
        *(
            Route(route.path, serve(route.page), methods=[route.method])
            for room in _ROOMS
            for route in room.PAGES
        ),
    ]
    pages = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _show_refusal,
            HTTPException: _show_unknown,
            Exception: _show_fault,
        },
    )
    guarded = PageGuard(pages, sign_in=sign_in, accounts=accounts, host=host)
    return PageHosts(api=api, pages=guarded, accounts=accounts, sign_in=sign_in, host=host)


async def _show_login(request: Request) -> ASGIApp:
    # A link on a page of somebody else would sign in somebody else, unseen.
    site = request.headers.get("sec-fetch-site", "none")
    is_own = site in {"none", "same-origin"}
    return render("login.html", user=None, problem="", at_once=is_own)


def _sign_in_with(sign_in: SignIn) -> Endpoint:
    async def redeem(request: Request) -> ASGIApp:
        async with request.form(max_files=0, max_fields=2) as form:
            code, _, project_id = str(form.get("code", "")).partition(".")
        try:
            secret = sign_in.redeem(code)
        except UnauthorizedError as error:
            problem = f"{error}. Run `createos-mcp platform open` again."
            return render("login.html", status=403, user=None, problem=problem, at_once=True)
        # A project's ID and nothing else: no link leads from here to another site.
        response = go_to(f"/projects/{project_id}" if _ID.fullmatch(project_id) else "/")
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(SESSION_VALID_S),
            path="/",
            secure=True,
            httponly=True,
            samesite="strict",
        )
        return response

    return redeem


def _sign_out_of(sign_in: SignIn) -> Endpoint:
    async def sign_out(request: Request) -> ASGIApp:
        async with request.form(max_files=0, max_fields=2) as form:
            everywhere = bool(form.get("everywhere"))
        if everywhere:
            sign_in.close_all(request.state.user.id)
        sign_in.close(request.state.session_secret)
        return go_to("/login")

    return sign_out


async def _show_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return _show_problem(request, error.status, str(error))


async def _show_unknown(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _show_problem(request, error.status_code, f"{error.detail}: {request.url.path}")


async def _show_fault(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _show_problem(request, 500, FAULT)


def _show_problem(request: Request, status: int, text: str) -> Response:
    return render(
        "problem.html",
        status=status,
        code=status,
        text=text,
        path=request.url.path,
        user=getattr(request.state, "user", None),
        is_owner=getattr(request.state, "is_owner", False),
    )
