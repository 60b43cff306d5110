"""Cards: what a host with MCP Apps draws of an answer; https://modelcontextprotocol.io/extensions/apps.

A card shows what the text of the answer says, and changes nothing. Hosts that draw nothing are
told of no card, and lose nothing.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from createos_mcp.contract.operations import CardName, Tool
from createos_mcp.contract.values import Json

EXTENSION = "io.modelcontextprotocol/ui"
"""The capability of hosts that draw."""

MEDIA_TYPE = "text/html;profile=mcp-app"

META: Mapping[str, Json] = {"ui": {"prefersBorder": True, "csp": {}}}
"""`_meta` of a card's document."""

_PREFIX = "ui://createos/"
_PARTS = ("card.css", "bridge.js")
"""What every card contains, in place of a comment with the part's name."""

CARDS: Mapping[str, CardName] = {
    f"{_PREFIX}deployment.html": "deployment",
    f"{_PREFIX}traffic.html": "traffic",
}


def draws_cards(capabilities: Json) -> bool:
    """Whether a client with these capabilities draws cards of the one media type there is."""
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    settings = extensions.get(EXTENSION) if isinstance(extensions, dict) else None
    drawn = settings.get("mimeTypes") if isinstance(settings, dict) else None
    return isinstance(drawn, list) and MEDIA_TYPE in drawn


def card_meta(tool: Tool) -> dict[str, Json] | None:
    """`_meta` of a tool whose answer is drawn; None for all others."""
    if tool.card is None:
        return None
    return {"ui": {"resourceUri": f"{_PREFIX}{tool.card}.html"}}


def card_document(uri: str) -> str | None:
    """The document of a card; None where the address is not that of one."""
    card = CARDS.get(uri)
    return None if card is None else _document(card)


@cache
def _document(card: CardName) -> str:
    folder = files("createos_mcp.server") / "cards"
    text = (folder / f"{card}.html").read_text()
    for part in _PARTS:
        text = text.replace(f"/*{part}*/", (folder / part).read_text())
    return text
