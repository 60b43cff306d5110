"""Who this server says it is."""

from functools import cache
from importlib.metadata import version

from createos_mcp.contract.values import Json
from createos_mcp.server.icons import PLATFORM

NAME = "createos-mcp"
TITLE = "CreateOS"
WEBSITE = "https://createos.nodeops.network"


@cache
def server_info() -> dict[str, Json]:
    """`Implementation` of the protocol."""
    return {
        "name": NAME,
        "title": TITLE,
        "version": version(NAME),
        "websiteUrl": WEBSITE,
        "icons": PLATFORM,
    }
