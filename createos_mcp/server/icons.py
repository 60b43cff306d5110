"""Icons: small pictures that clients show, as data, so that nothing has to be fetched."""

from urllib.parse import quote

from createos_mcp.contract.values import Json

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#4f46e5" '
    'stroke-width="2" stroke-linejoin="round"><path d="{path}"/></svg>'
)


def _draw(path: str) -> list[dict[str, Json]]:
    source = "data:image/svg+xml," + quote(_SVG.format(path=path), safe="/:='")
    return [{"src": source, "mimeType": "image/svg+xml", "sizes": ["any"]}]


PLATFORM = _draw("M12 2l9 5v10l-9 5-9-5V7zM3 7l9 5 9-5M12 12v10")
"""A parcel: what is shipped."""

RESOURCE = _draw("M6 2h8l4 4v16H6zM14 2v4h4M9 12h6M9 16h6")
"""A page."""

PROMPT = _draw("M3 4h18v12H9l-6 5z")
"""A speech bubble."""
