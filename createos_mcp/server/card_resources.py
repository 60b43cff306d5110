"""Cards: what a host with MCP Apps draws of an answer; https://modelcontextprotocol.io/extensions/apps.

A card shows what the text of the answer says, and changes nothing. Hosts that draw nothing are
told of no card, and lose nothing.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import mcp_types
from mcp.server.apps import APP_MIME_TYPE

from createos_mcp.contract.operations import CardName, Tool
from createos_mcp.contract.values import Json

_PREFIX = "ui://createos/"
_PARTS = ("card.css", "bridge.js")
"""What every card contains, in place of a comment with the part's name."""

CARDS: Mapping[str, CardName] = {
    f"{_PREFIX}deployment.html": "deployment",
    f"{_PREFIX}traffic.html": "traffic",
}


def card_meta(tool: Tool) -> dict[str, Json] | None:
    """`_meta` of a tool whose answer is drawn; None for all others."""
    if tool.card is None:
        return None
    return {"ui": {"resourceUri": f"{_PREFIX}{tool.card}.html"}}


def read_card(uri: str) -> mcp_types.ReadResourceResult | None:
    """The document of a card; None where the address is not that of one."""
    card = CARDS.get(uri)
    if card is None:
        return None
    contents = mcp_types.TextResourceContents(
        uri=uri,
        mime_type=APP_MIME_TYPE,
        text=_document(card),
        _meta={"ui": {"prefersBorder": True, "csp": {}}},
    )
    return mcp_types.ReadResourceResult(contents=[contents])


@cache
def _document(card: CardName) -> str:
    folder = files("createos_mcp.server") / "cards"
    text = (folder / f"{card}.html").read_text()
    for part in _PARTS:
        text = text.replace(f"/*{part}*/", (folder / part).read_text())
    return text
