"""Where calls go and what they are authenticated with."""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from createos_mcp.contract.errors import SettingError
from createos_mcp.contract.values import MASK

_SECRETS = {"api_key": "CREATEOS_API_KEY", "access_token": "CREATEOS_ACCESS_TOKEN"}
_HEADERS = {"api_key": "X-Api-Key", "access_token": "X-Access-Token"}
_BLANK = re.compile(r"\s")
_ADDRESS = "CREATEOS_API_URL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What a call is authenticated with; the key wins when both are there. Never printed.

    Raises:
        SettingError: A secret cannot be sent as an HTTP header.
    """

    api_key: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    """OAuth access token, raw, without `Bearer`."""

    def __post_init__(self) -> None:
        for name, setting in _SECRETS.items():
            secret = getattr(self, name) or "-"
            if not (secret.isascii() and secret.isprintable() and " " not in secret):
                raise SettingError(setting, "contains invalid characters; copy it again")

    def headers(self) -> dict[str, str]:
        """The one header that carries them, `{"X-Api-Key": "skp_..."}`, or none."""
        present = (name for name in _HEADERS if getattr(self, name))
        return {_HEADERS[name]: getattr(self, name) for name in islice(present, 1)}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody else may read."""
        return tuple(secret for secret in (self.api_key, self.access_token) if secret)

    def mask(self, text: str) -> str:
        """Replace every occurrence of a secret."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiTarget:
    """The API that calls go to.

    Raises:
        SettingError: The address is no https address (http is for loopback), or it carries more
            than scheme, host, port and path.
    """

    base_url: str
    """`https://api.example.com`; the path of an operation follows it."""
    credentials: Credentials

    def __post_init__(self) -> None:
        reason = _address_problem(self.base_url)
        if reason:
            raise SettingError(_ADDRESS, reason)


Locate: TypeAlias = Callable[[], Awaitable[ApiTarget]]
"""Where calls go, found out when the first one is made."""


def known_target(target: ApiTarget) -> Locate:
    """Calls go to a target that is known from the start."""

    async def locate() -> ApiTarget:
        return target

    return locate


def _address_problem(base_url: str) -> str | None:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in {"https", "http"} or not host or _BLANK.search(base_url):
        return "must be a URL such as https://api.example.com"
    if parts.scheme == "http" and not is_loopback(host):
        return (
            f"http is only allowed for this machine; use https://{parts.netloc.rpartition('@')[2]}"
        )
    return _surplus(parts)


def _surplus(parts: SplitResult) -> str | None:
    if "@" in parts.netloc:
        return "must not contain a user name or password; credentials have their own variables"
    if parts.query or parts.fragment:
        return "must not contain ? or #"
    if parts.path.rstrip("/").endswith("/v1"):
        return "must not end in /v1; it is added to each call"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
