"""A browser without a browser: signed in at the pages of a platform in this process."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser

import httpx2
from typing_extensions import override

from createos_mcp.platform.pages.page_guard import COOKIE
from tests.platform.platforms import Api


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who looks at the pages."""

    client: httpx2.AsyncClient
    origin: str

    async def page(self, path: str, *, status: int = 200) -> str:
        """A page's source."""
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, path: str, *, status: int = 303, **fields: str) -> httpx2.Response:
        """Send a form as a page of the dashboard does."""
        answer = await self.client.post(path, data=fields, headers={"origin": self.origin})
        assert answer.status_code == status, answer.text
        return answer


async def ask_for_link(api: Api) -> str:
    status, data = await api.request("POST", "/links")
    assert status == 200, data
    url: str = data["url"]
    return url


@asynccontextmanager
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    """The user of a key, signed in."""
    origin, _, code = (await ask_for_link(api)).partition("/login#")
    async with httpx2.AsyncClient(transport=api.transport, base_url=origin) as client:
        answer = await client.post("/login", data={"code": code}, headers={"origin": origin})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].partition(";")[0]
        assert cookie.startswith(f"{COOKIE}=")
        client.headers["cookie"] = cookie
        yield Visitor(client=client, origin=origin)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words(source: str) -> str:
    """What a reader of a page sees, in one line."""
    parser = _Words()
    parser.feed(source)
    return re.sub(r"\s+", " ", " ".join(parser.found))
