"""One listener, two services: programs find the API there, and people the pages."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from createos_mcp.platform.api.auth import KEY_HEADER, authenticate, hash_of
from createos_mcp.platform.errors import ForbiddenError, Refusal
from createos_mcp.platform.gateway.page_names import is_page_host
from createos_mcp.platform.pages.sign_in import CODE_VALID_S, SignIn
from createos_mcp.platform.store.accounts import Accounts

LINKS_PATH = "/links"


class PageHosts:
    """An ASGI app that tells requests apart by the host that they name.

    Args:
        api: Answers at every name but those of pages.
        pages: Answer at theirs, and say so at that of another platform.
        host: The pages' own name and port.
    """

    def __init__(
        self, *, api: ASGIApp, pages: ASGIApp, accounts: Accounts, sign_in: SignIn, host: str
    ) -> None:
        self._api = api
        self._pages = pages
        self._accounts = accounts
        self._sign_in = sign_in
        self.url = f"http://{host}"
        """Where the pages are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_page_host(headers.get("host", "").encode()):
            await self._pages(scope, receive, send)
        elif scope["path"] == LINKS_PATH and scope["method"] == "POST":
            await (await self._link(headers))(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _link(self, headers: Mapping[str, str]) -> Response:
        """A link that signs its user in once: for programs that have the key, not for browsers."""
        try:
            if "origin" in headers:
                raise ForbiddenError("Links are for programs; a browser cannot ask for one.")
            user = await authenticate(self._accounts, headers)
        except Refusal as error:
            return JSONResponse({"status": "fail", "data": str(error)}, error.status)
        code = self._sign_in.issue(user.id, hash_of(headers[KEY_HEADER]))
        # A fragment is in no request line, no log and no Referer.
        link = {"url": f"{self.url}/login#{code}", "expiresInSeconds": int(CODE_VALID_S)}
        answer = {"status": "success", "data": link}
        return JSONResponse(answer, headers={"cache-control": "no-store"})
