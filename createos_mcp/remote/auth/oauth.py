"""The OAuth 2.1 resource server: what it tells clients, and how it judges access tokens."""

from collections.abc import Mapping
from typing import TypeAlias

import jwt

from createos_mcp.contract.values import Json
from createos_mcp.remote.auth.issuer import Issuer, IssuerClient
from createos_mcp.remote.errors import RefusedTokenError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures by key pairs alone: with a shared secret this server could make tokens itself."""

# For clocks that differ: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
LEEWAY_S = 30.0
# https://www.rfc-editor.org/rfc/rfc7515#section-7.1
DOTS_OF_A_JWT = 2

Claims: TypeAlias = Mapping[str, Json]


def describe_resource(issuer: Issuer, base_url: str) -> dict[str, Json]:
    """The metadata of RFC 9728 for the resource `<base_url>/mcp`."""
    return {
        "resource": f"{base_url}/mcp",
        "resource_name": "createos-mcp",
        "authorization_servers": [issuer.url],
        "bearer_methods_supported": ["header"],
        **({"scopes_supported": list(issuer.scopes)} if issuer.scopes else {}),
    }


class Tokens:
    """Judges access tokens: a JWT by the issuer's keys, any other by asking the issuer."""

    def __init__(self, issuer: Issuer, client: IssuerClient) -> None:
        self.issuer = issuer
        self._client = client

    async def judge(self, token: str, resource: str) -> Claims:
        """The claims of a good token.

        Args:
            token: As it came.
            resource: What its `aud` must hold, unless the issuer's settings name another.

        Raises:
            RefusedTokenError: It is no token of this issuer for this server, or is too old.
            BackendError: The issuer does not answer.
        """
        is_jwt = token.count(".") == DOTS_OF_A_JWT
        claims = await (self._verify(token) if is_jwt else self._introspect(token))
        named = claims.get("aud") or ()
        audiences = [named] if isinstance(named, str) else list(named)
        wanted = (self.issuer.audience or resource).rstrip("/")
        if wanted not in {str(audience).rstrip("/") for audience in audiences}:
            raise RefusedTokenError("was issued for another resource")
        return claims

    def missing_scope(self, claims: Claims) -> str | None:
        """A required scope that a token does not have."""
        given = claims.get("scope") or claims.get("scp") or ""
        held = set(given.split() if isinstance(given, str) else given)
        return next((scope for scope in self.issuer.scopes if scope not in held), None)

    async def _verify(self, token: str) -> Claims:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims: Claims = jwt.decode(
                token,
                await self._client.key(kid),
                algorithms=ALGORITHMS,
                issuer=(self.issuer.url, f"{self.issuer.url}/"),
                leeway=LEEWAY_S,
                # `judge` compares the audience, which may end with a slash.
                options={"require": ["exp", "iss", "aud"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise RefusedTokenError("has expired") from error
        except jwt.PyJWTError as error:
            raise RefusedTokenError(
                "was not issued by the issuer that this server trusts"
            ) from error
        return claims

    async def _introspect(self, token: str) -> Claims:
        claims = await self._client.introspect(token)
        if claims.get("active") is not True:
            raise RefusedTokenError("is not active")
        if str(claims.get("iss", self.issuer.url)).rstrip("/") != self.issuer.url:
            raise RefusedTokenError("was not issued by the issuer that this server trusts")
        return claims
