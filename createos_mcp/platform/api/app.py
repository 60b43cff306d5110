"""The REST API as an ASGI app: routes from the catalog, one pipeline, one error envelope."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json
from createos_mcp.platform.api import (
    account,
    analytics,
    api_keys,
    apps,
    cronjobs,
    deployments,
    domains,
    environments,
    github,
    managed_services,
    projects,
    security,
    templates,
    transfers,
    variables,
)
from createos_mcp.platform.api.api_request import Handler, Handlers, Services
from createos_mcp.platform.api.auth import authenticate
from createos_mcp.platform.api.git_host import GitHost
from createos_mcp.platform.api.github_webhooks import take_deliveries
from createos_mcp.platform.api.log_lines import read_log_lines, read_tail
from createos_mcp.platform.api.openapi import describe_api
from createos_mcp.platform.api.performing import Performer
from createos_mcp.platform.api.requests import read_request_arguments
from createos_mcp.platform.api.status_page import build_status_page
from createos_mcp.platform.build.archive import pack_zip
from createos_mcp.platform.errors import (
    ForbiddenError,
    NotFoundError,
    Refusal,
    UnauthorizedError,
)

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

HANDLERS: Handlers = {
    **projects.HANDLERS,
    **deployments.HANDLERS,
    **environments.HANDLERS,
    **domains.HANDLERS,
    **cronjobs.HANDLERS,
    **apps.HANDLERS,
    **api_keys.HANDLERS,
    **analytics.HANDLERS,
    **account.HANDLERS,
    **transfers.HANDLERS,
    **variables.HANDLERS,
    **github.HANDLERS,
    **templates.HANDLERS,
    **security.HANDLERS,
    **managed_services.HANDLERS,
}

_OTHER_PATHS = {"/v1/app-installations/github/installations": "ListConnectedGithubAccounts"}
"""Where the vendor's command line asks for the same."""

_SUSPENSIONS: Mapping[str, Handler] = {
    "suspend": projects.suspend_project,
    "unsuspend": projects.unsuspend_project,
}
"""What the vendor's command line alone asks for; no tool does."""

FAULT = "Internal error. Details are in the platform's log. Retrying is safe."
CHALLENGE = 'ApiKey realm="createos"'


def create_api(performer: Performer) -> Starlette:
    """The API over the given parts.

    Every operation of the catalog has a route. `/healthz` and `/api-docs/openapi.json` need no
    key, `/git` has its own way to ask for one, and `/status` needs that of the machine's owner.
    """
    catalog, services = performer.catalog, performer.services
    operations = sorted(catalog.operations.values(), key=_fixed_paths_first)
    document = describe_api(catalog)
    routes = [
        Route("/healthz", _answer_operation({"status": "ok"})),
        Route("/api-docs/openapi.json", _answer_operation(document)),
        Route("/status", _status_page(services)),
        Route(
            "/v1/projects/{project_id}/environments/{environment_id}/log-lines",
            _log_lines(performer),
        ),
        *(
            Route(f"/v1/projects/{{project_id}}/{word}", _change(performer, act), methods=["PUT"])
            for word, act in _SUSPENSIONS.items()
        ),
        Route("/github/webhook", take_deliveries(services), methods=["POST"]),
        Route("/service-backups", _back_up_all(services), methods=["POST"]),
        Route("/downloads/{deployment_id}", _download(services)),
        Mount(
            "/git",
            GitHost(
                store=services.store,
                pushes=services.pushes,
                data_dir=services.config.data_dir,
            ),
        ),
        *(
            Route(
                operation.http.path,
                _serve_operation(operation, performer),
                methods=[operation.http.method],
            )
            for operation in operations
            if operation.name in HANDLERS
        ),
        *(
            Route(path, _serve_operation(catalog.operations[name], performer))
            for path, name in _OTHER_PATHS.items()
        ),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _answer_error,
            HTTPException: _answer_unknown_route,
            Exception: _answer_fault,
        },
    )
    app.router.redirect_slashes = False
    return app


def _fixed_paths_first(operation: Operation) -> tuple[int, str]:
    """`/v1/projects/supported` is tried before `/v1/projects/{project_id}`."""
    return operation.http.path.count("{"), operation.http.path


def _serve_operation(operation: Operation, performer: Performer) -> Endpoint:
    accounts = performer.services.store.accounts

    async def endpoint(request: Request) -> Response:
        user = await authenticate(accounts, request.headers)
        arguments = await read_request_arguments(operation, request)
        data = await performer.perform(operation.name, arguments, user)
        return JSONResponse({"status": "success", "data": data}, operation.http.success)

    return endpoint


def _answer_operation(document: Json) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(document)

    return endpoint


def _status_page(services: Services) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        user = await authenticate(services.store.accounts, request.headers)
        return JSONResponse({"status": "success", "data": await build_status_page(user, services)})

    return endpoint


def _change(performer: Performer, act: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        user = await authenticate(performer.services.store.accounts, request.headers)
        operation = performer.catalog.operations["GetProject"]
        asked = await performer.check(operation, dict(request.path_params), user)
        return JSONResponse({"status": "success", "data": await act(asked)})

    return endpoint


def _log_lines(performer: Performer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        user = await authenticate(performer.services.store.accounts, request.headers)
        operation = performer.catalog.operations["GetProjectEnvironmentLogs"]
        asked = await performer.check(operation, dict(request.path_params), user)
        query = request.query_params
        lines = await read_log_lines(
            asked, after=query.get("after"), tail=read_tail(query.get("tail"))
        )
        return JSONResponse({"status": "success", "data": lines})

    return endpoint


def _back_up_all(services: Services) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        user = await authenticate(services.store.accounts, request.headers)
        if user.id != (await services.store.accounts.first_user()).id:
            raise ForbiddenError("Only the owner of the machine can back everything up.")
        made = await services.managed.backups.make_all()
        return JSONResponse({"status": "success", "data": {"backups": made}})

    return endpoint


def _download(services: Services) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        deployment_id = request.path_params["deployment_id"]
        services.downloads.check(deployment_id, request.query_params.get("token", ""))
        if deployment_id.startswith(security.SCAN_LINK):
            scanned = deployment_id.removeprefix(security.SCAN_LINK)
            packed = await services.scanner.documents(scanned)
            return _zip_response(f"scan-{scanned}", packed)
        source = services.config.data_dir.source(deployment_id)
        if not source.is_dir():
            source = services.template_files.of(deployment_id)
        if not source.is_dir():
            raise NotFoundError("deployment with files", deployment_id)
        packed = await to_thread.run_sync(pack_zip, source)
        return _zip_response(deployment_id, packed)

    return endpoint


def _zip_response(name: str, packed: bytes) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}.zip"'}
    return Response(packed, media_type="application/zip", headers=headers)


def _envelope(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"status": "fail", "data": message}, status, headers=headers)


async def _answer_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    challenged = isinstance(error, UnauthorizedError)
    headers = {"www-authenticate": CHALLENGE} if challenged else None
    return _envelope(error.status, str(error), headers)


async def _answer_unknown_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{error.detail}: {request.method} {request.url.path}."
    return _envelope(error.status_code, message, error.headers)


async def _answer_fault(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _envelope(500, FAULT)
