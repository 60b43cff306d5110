"""What stands before every page: its own name, its own origin, and a session.

Cookies ignore ports (https://www.rfc-editor.org/rfc/rfc6265#section-8.5), and apps of others answer
on the same machine. So the pages have a host name that no app is given, with random letters that
nobody can lead a browser to, and the gateway refuses that name on every port of an app.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from createos_mcp.platform.models import User
from createos_mcp.platform.pages.sign_in import Session, SignIn
from createos_mcp.platform.store.accounts import Accounts

COOKIE = "__Host-createos-session"
"""Browsers take a name of this form only with Secure, for one host, and from that host."""

OPEN_PATHS = ("/login", "/static/")
"""What is answered without a session."""

SAFE_METHODS = frozenset({"GET", "HEAD"})

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; require-trusted-types-for 'script'; trusted-types live",
    # With `no-referrer` browsers send `Origin: null` with the pages' own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_EVENTS = "text/event-stream"


class PageGuard:
    """An ASGI app that lets through what a signed-in user asks for in the pages themselves.

    Args:
        pages: What is guarded; finds `user`, `is_owner` and `session_secret` in the
            request's state.
        sign_in: Knows the sessions.
        accounts: Knows the users and their keys.
        host: The one host name and port of the pages.
    """

    def __init__(self, pages: ASGIApp, *, sign_in: SignIn, accounts: Accounts, host: str) -> None:
        self._pages = pages
        self._sign_in = sign_in
        self._accounts = accounts
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
                message["headers"] = headers.raw
            await send(message)

        refusal = await self._refuse(scope)
        await (refusal or self._pages)(scope, receive, send_guarded)

    async def _refuse(self, scope: Scope) -> Response | None:
        """Why a request is not for the pages; None where it is."""
        headers = Headers(scope=scope)
        foreign = self._refuse_foreign(scope["method"], headers)
        if foreign is not None or scope["path"].startswith(OPEN_PATHS):
            return foreign
        secret = read_cookie(headers.get("cookie", ""))
        user = await self._user_of(self._sign_in.find(secret))
        if user is None:
            return _ask_to_sign_in(scope["method"], headers)
        owner = await self._accounts.first_user()
        scope.setdefault("state", {}).update(
            user=user, is_owner=user.id == owner.id, session_secret=secret
        )
        return None

    def _refuse_foreign(self, method: str, headers: Headers) -> Response | None:
        """Requests under another name, and forms of other pages."""
        origin = f"http://{self._host}"
        if headers.get("host") != self._host:
            # The name is not told: with it an app could lead a browser there.
            return PlainTextResponse("Not the dashboard. Run `createos-mcp platform open`.", 421)
        if method in SAFE_METHODS:
            return None
        site = headers.get("sec-fetch-site", "same-origin")
        if headers.get("origin") == origin and site == "same-origin":
            return None
        return PlainTextResponse("Only forms of the dashboard itself are accepted.", 403)

    async def _user_of(self, session: Session | None) -> User | None:
        """Whose session that is, unless the key that began it was revoked meanwhile."""
        return await self._accounts.user_of_key(session.key_hash) if session is not None else None


def read_cookie(header: str) -> str:
    """The session's secret in a Cookie header; empty where there is none."""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _ask_to_sign_in(method: str, headers: Headers) -> Response:
    if headers.get("accept") == _EVENTS:
        # Anything but this lets the browser ask again and again.
        return Response(status_code=204)
    if method in SAFE_METHODS:
        return RedirectResponse("/login", 303)
    return PlainTextResponse("The session is over. Run `createos-mcp platform open`.", 401)
