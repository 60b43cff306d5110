"""Host names of dashboards, at which no app answers.

A browser sends a page's cookies to every port of its host name. Apps listen on ports of the same
machine, so an app that answered at such a name would be sent the session of whoever is signed in.
"""

import re

_HOST = re.compile(rb"createos(?:-[0-9a-f]{8})?\.localhost\.?(?::[0-9]*)?", re.IGNORECASE)


def page_host(label: str, port: int) -> str:
    """Host and port of one platform's dashboard.

    Args:
        label: Eight random hex digits, so that nobody can guess the name.
        port: Of the API.
    """
    return f"createos-{label}.localhost:{port}"


def is_page_host(host: bytes) -> bool:
    """Whether a Host header names a dashboard, of this platform or another."""
    return _HOST.fullmatch(host) is not None
