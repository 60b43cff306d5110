"""The git host: repositories of this machine at `/git/<owner>/<name>.git`, for git clients."""

import base64
import binascii
from collections.abc import AsyncIterator
from http import HTTPStatus

import anyio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from createos_mcp.platform.api.auth import KEY_HEADER, hash_of
from createos_mcp.platform.deploy.push_reports import report_push
from createos_mcp.platform.deploy.pushes import Pushes
from createos_mcp.platform.errors import GitFailedError
from createos_mcp.platform.git.http_backend import RECEIVE, UPLOAD, serve_git
from createos_mcp.platform.models import User
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.repositories import Repository
from createos_mcp.platform.store.store import Store

READS_AT_ONCE, PUSHES_AT_ONCE = 8, 32
"""Git processes; more wait. A push lasts until its build has ended."""

_PARTS = 3
_REQUESTS = {("GET", "info/refs"), ("POST", UPLOAD), ("POST", RECEIVE)}
_SERVICES = {f"service={UPLOAD}".encode(), f"service={RECEIVE}".encode()}
_CHALLENGE = {"www-authenticate": 'Basic realm="createos", charset="UTF-8"'}
_HELP = (
    "Give an API key as the password; `createos-mcp platform git login` lets git find it by itself."
)


class GitHost:
    """A raw ASGI app: what git sends may be read and answered at the same time."""

    def __init__(self, *, store: Store, pushes: Pushes, data_dir: DataDir) -> None:
        self._store = store
        self._pushes = pushes
        self._data_dir = data_dir
        self._reads = anyio.CapacityLimiter(READS_AT_ONCE)
        self._writes = anyio.CapacityLimiter(PUSHES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a git client to one of the caller's own repositories."""
        user = await self._find_user(Headers(scope=scope))
        if user is None:
            refusal = PlainTextResponse(_HELP, HTTPStatus.UNAUTHORIZED, headers=_CHALLENGE)
            await refusal(scope, receive, send)
            return
        parts = scope["path"].removeprefix("/git/").split("/", _PARTS - 1)
        repository = await self._find(user, parts)
        rest = parts[-1]
        dumb = rest == "info/refs" and scope["query_string"] not in _SERVICES
        if repository is None or (scope["method"], rest) not in _REQUESTS or dumb:
            named = "/".join(parts[:2])
            text = f"You have no repository {named}; `createos-mcp platform git create` makes one."
            await PlainTextResponse(text, HTTPStatus.NOT_FOUND)(scope, receive, send)
            return
        place = self._data_dir.repository(repository.id)
        async with self._writes if rest == RECEIVE else self._reads:
            await serve_git(
                scope,
                receive,
                send,
                place=place,
                rest=rest,
                user=user.name,
                answer=lambda: self._answer(repository),
            )
        if rest == RECEIVE:
            # Also where the hook was not heard.
            await self._pushes.look(repository)

    async def _answer(self, repository: Repository) -> AsyncIterator[str]:
        try:
            outcome = await self._pushes.look(repository)
        except GitFailedError as error:
            yield f"The repository cannot be read: {error}"
            return
        async for line in report_push(self._store, outcome):
            yield line

    async def _find(self, user: User, parts: list[str]) -> Repository | None:
        if len(parts) != _PARTS or parts[0].lower() != user.name.lower():
            return None
        name = parts[1].removesuffix(".git")
        found = await self._store.repositories.named(user.id, name)
        return found if found is not None and found.remote_id is None else None

    async def _find_user(self, headers: Headers) -> User | None:
        key = headers.get(KEY_HEADER) or _password(headers.get("authorization", ""))
        return await self._store.accounts.user_of_key(hash_of(key)) if key else None


def _password(authorization: str) -> str:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]
