import re

from createos_mcp.server.icons import PLATFORM, PROMPT, RESOURCE

URI = re.compile(r"data:image/svg\+xml,(?:[A-Za-z0-9\-._~:/?#@!$&'()*+,;=]|%[0-9A-F]{2})+")
"""RFC 3986, appendix A."""


def test_icons_are_valid_uris() -> None:
    for icon in (*PLATFORM, *PROMPT, *RESOURCE):
        assert URI.fullmatch(icon["src"]), icon["src"]
