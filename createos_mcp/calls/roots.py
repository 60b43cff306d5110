"""Roots: the directories that a client offers, in both eras of the protocol."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mcp_types
from mcp.shared.exceptions import MCPError

from createos_mcp.calls.confirmation import ClientRequest
from createos_mcp.contract.errors import RootsNeededError

_KEY = "roots"


async def client_roots(client: ClientRequest) -> tuple[Path, ...]:
    """Directories that the client lets servers read; none where it does not say.

    Raises:
        RootsNeededError: The client has to call again and say which.
    """
    capabilities = client.context.session.client_capabilities
    if capabilities is None or capabilities.roots is None:
        return ()
    listed = await (_resume if client.is_modern else _request_roots)(client)
    return tuple(_paths(root.uri for root in listed.roots))


def roots_required() -> mcp_types.InputRequiredResult:
    """The result that has the client list its roots and call again."""
    return mcp_types.InputRequiredResult(input_requests={_KEY: mcp_types.ListRootsRequest()})


async def _resume(client: ClientRequest) -> mcp_types.ListRootsResult:
    listed = (client.params.input_responses or {}).get(_KEY)
    if not isinstance(listed, mcp_types.ListRootsResult):
        raise RootsNeededError
    return listed


async def _request_roots(client: ClientRequest) -> mcp_types.ListRootsResult:
    try:
        return await client.context.session.send_request(
            mcp_types.ListRootsRequest(), mcp_types.ListRootsResult
        )
    except MCPError:
        return mcp_types.ListRootsResult(roots=[])


def _paths(uris: Iterable[object]) -> Iterable[Path]:
    for uri in uris:
        parts = urlsplit(str(uri))
        if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
            yield Path(unquote(parts.path))
