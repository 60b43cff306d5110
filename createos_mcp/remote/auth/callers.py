"""A caller: whose request this is, and what it is authenticated with."""

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from createos_mcp.client.target import Credentials

KEY_PREFIX = "skp_"
# 48 bits of a SHA-256 tell keys apart and reveal none.
FINGERPRINT_DIGITS = 12

OWN_KEY = "own-key"
"""The digest of callers for whom the server's own key is used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who sent one request. Made for each request anew and kept by nothing that outlives it."""

    credentials: Credentials | None
    """None: the server's own, which its operator shares."""
    digest: str
    """SHA-256 of the secret, the name under which limits and verdicts are kept."""
    principal: str
    """Who that is beyond one token's life: issuer and subject, or the digest."""
    base_url: str
    """This server as the caller sees it, base path included."""

    @property
    def fingerprint(self) -> str:
        """The part of the digest that is logged, `9f86d081884c`."""
        return self.digest[:FINGERPRINT_DIGITS]


CURRENT: ContextVar[Caller] = ContextVar("caller")
"""The caller of the MCP request that this task serves."""


def read_credentials(headers: Mapping[str, str]) -> Credentials | None:
    """The credentials of a request; `X-Api-Key` wins over `Authorization`.

    A bearer token that looks like a key is one. Other schemes than Bearer count as nothing.

    Raises:
        SettingError: The secret holds characters that none has.
    """
    key = headers.get("x-api-key", "").strip()
    if key:
        return Credentials(api_key=key)
    token = read_bearer(headers)
    if token is None:
        return None
    if token.startswith(KEY_PREFIX):
        return Credentials(api_key=token)
    return Credentials(access_token=token)


def read_bearer(headers: Mapping[str, str]) -> str | None:
    """The token of `Authorization: Bearer <token>`."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def digest_of(credentials: Credentials) -> str:
    """A name for a secret that does not give it away."""
    secret = credentials.api_key or credentials.access_token or ""
    return hashlib.sha256(secret.encode()).hexdigest()
