"""Roots: the directories that a client offers, in both eras of the protocol."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from createos_mcp.calls.client_requests import ClientRequest
from createos_mcp.contract.errors import RootsNeededError

ROOTS = "roots"
"""What the request for them and its answer are called between server and client."""


async def client_roots(client: ClientRequest) -> tuple[Path, ...]:
    """Directories that the client lets servers read; none where it does not say.

    Raises:
        RootsNeededError: The client has to call again and say which.
    """
    if not client.offers_roots:
        return ()
    listed = client.given_roots(ROOTS) if client.is_modern else await client.list_roots()
    if listed is None:
        raise RootsNeededError
    return tuple(_paths(listed))


def _paths(uris: Iterable[str]) -> Iterable[Path]:
    for uri in uris:
        parts = urlsplit(uri)
        if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
            yield Path(unquote(parts.path))
