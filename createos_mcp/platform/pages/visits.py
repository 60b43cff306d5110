"""What the handler of a page is given: who asks, for what, and the operations to answer with."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.performing import Performer
from createos_mcp.platform.models import User
from createos_mcp.platform.pages.rendering import render
from createos_mcp.platform.pages.sign_in import SignIn
from createos_mcp.platform.pages.watchers import Watchers

_NUMBER = re.compile(r"[0-9]{1,9}")

MAX_FIELDS = 100
MAX_FIELD_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One request of a signed-in user."""

    request: Request
    user: User
    is_owner: bool
    """Whether the machine is theirs."""
    performer: Performer
    watchers: Watchers
    sign_in: SignIn

    @property
    def place(self) -> dict[str, str]:
        """What the path names: `project_id`, `deployment_id`, ..."""
        return dict(self.request.path_params)

    async def perform(self, operation: str, **arguments: Json) -> Json:
        """The `data` of an operation, as the API would answer this user.

        Raises:
            Refusal: The API would refuse it.
        """
        return await self.performer.perform(operation, arguments, self.user)

    async def form(self) -> FormData:
        """What a form of a page sent."""
        return await self.request.form(
            max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )

    def show(self, template: str, *, status: int = 200, **values: Json) -> Response:
        """A page, with what stands on every page."""
        path = self.request.url.path
        known = {"user": self.user, "is_owner": self.is_owner, "path": path}
        return render(template, status=status, **known, **values)

    async def may_go_on(self) -> bool:
        """Whether the session that this began in still lasts."""
        session = self.sign_in.find(self.request.state.session_secret)
        accounts = self.performer.services.store.accounts
        return session is not None and await accounts.user_of_key(session.key_hash) is not None


Page: TypeAlias = Callable[[Visit], Awaitable[ASGIApp]]
"""Answers one address of the dashboard."""


class PageRoute(NamedTuple):
    """An address of the dashboard, and what answers there."""

    path: str
    page: Page
    method: str = "GET"


def read_number(text: str) -> int | None:
    """A whole number that a request wrote; None for anything else, and for one that is too long."""
    return int(text) if _NUMBER.fullmatch(text) else None


def go_to(path: str) -> Response:
    """Where a browser looks after a form was accepted."""
    return RedirectResponse(path, 303)


def text_file(text: str, name: str) -> Response:
    """A text that the browser saves."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers)
