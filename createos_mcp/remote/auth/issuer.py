"""The issuer: the authorization server whose tokens count, its keys, and what it says of tokens."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import httpx2
import jwt

from createos_mcp.client.http import Timeouts, send_request, translated
from createos_mcp.contract.errors import BackendError, UnreadableResponseError
from createos_mcp.contract.values import Json
from createos_mcp.remote.errors import RefusedTokenError

# Issuers rotate keys over hours; an unknown key ID asks again at once.
KEYS_KEPT_S = 600.0
KEYS_REFRESHED_S = 10.0
"""A token that names an unknown key makes the keys be fetched again, but not more often."""

METADATA_PATHS = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
OK = 200

_LIMITS = Timeouts(
    connect_timeout_s=5,
    read_timeout_s=5,
    write_timeout_s=5,
    pool_timeout_s=5,
    total_timeout_s=10,
    answer_bytes=1_000_000,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """The authorization server, and what its tokens must say."""

    url: str
    audience: str | None = None
    """None: the public URL of `/mcp`, as the request names it."""
    scopes: tuple[str, ...] = ()
    jwks_url: str | None = None
    introspection_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)


class IssuerClient:
    """Asks the issuer, and keeps its keys for a while.

    Args:
        issuer: Whom to ask.
        client: Carries the requests.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        issuer: Issuer,
        client: httpx2.AsyncClient,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched_at = -KEYS_KEPT_S
        self._fetching = anyio.Lock()
        self._jwks_url = issuer.jwks_url

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """The public key that a token names.

        Raises:
            RefusedTokenError: The issuer shows no such key.
            BackendError: It does not answer.
        """
        if self._is_due(kid):
            async with self._fetching:
                if self._is_due(kid):
                    await self._fetch_keys()
        if kid not in self._keys:
            raise RefusedTokenError("is signed with a key that its issuer does not publish")
        return self._keys[kid]

    async def introspect(self, token: str) -> dict[str, Json]:
        """What the issuer says of a token (RFC 7662).

        Raises:
            RefusedTokenError: Nobody can be asked about such tokens.
            BackendError: The issuer does not answer.
        """
        address = self._issuer.introspection_url
        if address is None:
            raise RefusedTokenError("is neither a key nor a JWT")
        login = httpx2.BasicAuth(self._issuer.client_id or "", self._issuer.client_secret or "")
        request = self._client.build_request("POST", address, data={"token": token})
        return await self._ask(next(login.auth_flow(request)))

    def _is_due(self, kid: str | None) -> bool:
        age_s = self._clock() - self._fetched_at
        return age_s >= (KEYS_KEPT_S if kid in self._keys else KEYS_REFRESHED_S)

    async def _fetch_keys(self) -> None:
        if self._jwks_url is None:
            self._jwks_url = await self._discover()
        answer = await self._ask(self._client.build_request("GET", self._jwks_url))
        try:
            found = jwt.PyJWKSet.from_dict(answer)
        except jwt.PyJWTError as error:
            raise UnreadableResponseError(OK, f"{self._jwks_url} has no keys") from error
        self._keys = {key.key_id: key for key in found.keys}
        self._fetched_at = self._clock()

    async def _discover(self) -> str:
        """Where the keys are, from the metadata of RFC 8414 or of OpenID Connect."""
        for path in METADATA_PATHS:
            request = self._client.build_request("GET", self._issuer.url + path)
            try:
                document = await self._ask(request)
            except BackendError:
                continue
            if str(document.get("issuer")).rstrip("/") == self._issuer.url:
                return str(document.get("jwks_uri"))
        raise UnreadableResponseError(
            None, f"{self._issuer.url} publishes no keys; set CREATEOS_OAUTH_JWKS_URL"
        )

    async def _ask(self, request: httpx2.Request) -> dict[str, Json]:
        with translated(_LIMITS, self._issuer.url):
            answer = await send_request(self._client, request, _LIMITS.answer_bytes)
        try:
            document = json.loads(answer.content)
        except ValueError as error:
            raise UnreadableResponseError(answer.status, "not JSON") from error
        if answer.status != OK or not isinstance(document, dict):
            raise UnreadableResponseError(
                answer.status, f"{request.url.path} did not return an object"
            )
        return document
