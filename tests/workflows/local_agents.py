"""An agent over stdio whose server works in a directory of the test, with a platform of its own."""

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mcp_types
from mcp import Client, StdioServerParameters
from mcp.client.session import ClientRequestContext
from pydantic import FileUrl

from createos_mcp.contract.values import Json
from tests.agents import data_of, text_of
from tests.eras import Era
from tests.platform.platforms import ANSWERING, NO_ENGINE

CRASHING = "import os\nprint(os.environ['NEEDED_VARIABLE'])\n"


def saying(greeting: str) -> str:
    """An app that answers with this unless its variable GREETING says otherwise."""
    return ANSWERING.replace('"hello"', f'"{greeting}"')


@dataclass(frozen=True, kw_only=True)
class LocalAgent:
    """A client, and what its server told it of progress."""

    client: Client
    told: list[str] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Json) -> Json:
        """What a tool answered that has to succeed."""
        return data_of(await self.client.call_tool(tool, arguments))

    async def call_with_progress(self, tool: str, **arguments: Json) -> Json:
        async def hear(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            self.told.append(message or "")

        return data_of(await self.client.call_tool(tool, arguments, progress_callback=hear))

    async def refusal(self, tool: str, **arguments: Json) -> str:
        """What a tool said that has to fail."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, text_of(result)
        return text_of(result)


@asynccontextmanager
async def working_in(
    directory: Path,
    era: Era,
    *,
    data_dir: Path,
    roots: Sequence[Path] | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[LocalAgent]:
    """An agent whose server is launched in a directory; with `roots` its client offers these."""
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "createos_mcp"],
        cwd=directory,
        env={
            **others,
            "CREATEOS_DATA_DIR": str(data_dir),
            "CREATEOS_PLATFORM_DOCKER_HOST": NO_ENGINE,
            **(variables or {}),
        },
    )

    async def list_roots(context: ClientRequestContext) -> mcp_types.ListRootsResult:
        del context
        uris = [FileUrl(root.as_uri()) for root in roots or ()]
        return mcp_types.ListRootsResult(roots=[mcp_types.Root(uri=uri) for uri in uris])

    offered = None if roots is None else list_roots
    async with Client(server, mode=era, list_roots_callback=offered) as client:
        yield LocalAgent(client=client)
