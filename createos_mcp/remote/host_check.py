"""The front: which hosts and web pages are answered, before anything else looks at a request."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from createos_mcp.remote.errors import ForeignHostError, ForeignOriginError, RefusedRequestError

METHODS = ("GET", "POST", "PUT", "DELETE")
EXPOSED_HEADERS = ("Mcp-Session-Id", "WWW-Authenticate", "Retry-After")
# Chromium caps it at two hours, Firefox at a day:
# https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age
PREFLIGHT_KEPT_S = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Who this server is, and which pages it answers; both may end with `:*` for any port."""

    hosts: Sequence[str]
    origins: Sequence[str]


def answer_refusal(error: RefusedRequestError) -> Response:
    """A refusal as `{"error": "<code>", "message": "<sentence>"}`."""
    body = {"error": error.code, "message": f"{error}."}
    return JSONResponse(body, error.status, headers=error.headers)


def front(
    names: Names, *, open_to_any_host: Collection[str], on_refusal: Callable[[str], None]
) -> list[Middleware]:
    """The outermost layers, in their order.

    Args:
        names: Hosts and origins that are answered.
        open_to_any_host: Paths whose callers know no name of ours, such as probes of health.
        on_refusal: Told the code of each refusal.
    """
    return [
        Middleware(
            HostOriginMiddleware,
            names=names,
            open_to_any_host=open_to_any_host,
            on_refusal=on_refusal,
        ),
        # Outside of authentication: a browser's preflight carries no credentials.
        Middleware(
            CORSMiddleware,
            allow_origin_regex=_one_of(names.origins).pattern,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_KEPT_S,
        ),
    ]


class HostOriginMiddleware:
    """Refuses requests for another host or from a foreign page, against DNS rebinding."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Names,
        open_to_any_host: Collection[str],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._app = app
        self._open = frozenset(open_to_any_host)
        self._on_refusal = on_refusal
        self._hosts = _one_of(names.hosts)
        self._origins = _one_of(names.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        error = self._objection(Request(scope).headers)
        if error is None:
            await self._app(scope, receive, send)
            return
        self._on_refusal(error.code)
        await answer_refusal(error)(scope, receive, send)

    def _objection(self, headers: Headers) -> RefusedRequestError | None:
        """Host and origin are compared whole: `http://localhost:1.evil` is not this machine."""
        host = headers.get("host", "")
        if not self._hosts.fullmatch(host):
            return ForeignHostError(host)
        origin = headers.get("origin")
        if origin is not None and not self._origins.fullmatch(origin):
            return ForeignOriginError(origin)
        return None


def _one_of(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_regex, names)) or "(?!)", re.IGNORECASE)


def _regex(name: str) -> str:
    """`localhost:*` and `http://localhost:*` stand for every port."""
    if name.endswith(":*"):
        return re.escape(name[:-1]) + r"[0-9]{1,5}"
    return re.escape(name)
