"""Authentication: from the headers of a request to its caller."""

import hashlib
import hmac
import logging
from dataclasses import dataclass

from starlette.requests import Request

from createos_mcp.client.target import Credentials
from createos_mcp.contract.errors import BackendError, SettingError
from createos_mcp.remote.auth.callers import (
    OWN_KEY,
    Caller,
    digest_of,
    read_bearer,
    read_credentials,
)
from createos_mcp.remote.auth.oauth import Tokens
from createos_mcp.remote.auth.verification import Verification
from createos_mcp.remote.errors import (
    InsufficientScopeError,
    IssuerUnavailableError,
    RefusedTokenError,
    UnauthenticatedError,
)

REALM = 'Bearer realm="createos-mcp"'

METADATA_PATH = "/.well-known/oauth-protected-resource"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """Whether the server's own key is used for callers who bring none."""

    is_on: bool = False
    token: str | None = None
    """What they have to send; without one everybody is served."""


class Authentication:
    """Tells whose a request is. Keeps verdicts about secrets, never a secret."""

    def __init__(
        self,
        *,
        verification: Verification,
        sharing: Sharing,
        tokens: Tokens | None,
        public_url: str | None,
        base_path: str,
    ) -> None:
        self._verification = verification
        self._sharing = sharing
        self._tokens = tokens
        self._public_url = public_url
        self._base_path = base_path

    async def identify(self, request: Request) -> Caller:
        """The caller of this request.

        Raises:
            UnauthenticatedError: No credentials, or such as the platform or the issuer refuses.
            IssuerUnavailableError: The token cannot be checked.
            TooManyCallsError: Too many bad keys came from this address.
        """
        base_url = self.base_url(request)
        credentials = self._read(request, base_url)
        if credentials is None:
            return Caller(credentials=None, digest=OWN_KEY, principal=OWN_KEY, base_url=base_url)
        digest = digest_of(credentials)
        principal = digest
        if self._tokens and credentials.access_token:
            principal = await self._principal(self._tokens, credentials.access_token, base_url)
        peer = request.client.host if request.client else ""
        if await self._verification.is_refused(credentials, digest, peer):
            raise self._refusal("The platform rejects this key or token", base_url, "invalid_token")
        return Caller(
            credentials=credentials, digest=digest, principal=principal, base_url=base_url
        )

    def base_url(self, request: Request) -> str:
        """This server as the caller sees it, base path included."""
        if self._public_url:
            return self._public_url + self._base_path
        return f"{request.scope['scheme']}://{request.headers['host']}{self._base_path}"

    def _read(self, request: Request, base_url: str) -> Credentials | None:
        """What came with the request; None stands for the server's own."""
        if self._may_share(read_bearer(request.headers)):
            return None
        try:
            credentials = read_credentials(request.headers)
        except SettingError as error:
            raise self._refusal("The API key contains invalid characters", base_url) from error
        if credentials is not None:
            return credentials
        if self._sharing.is_on and self._sharing.token is None:
            return None
        raise self._refusal("This request has no credentials", base_url)

    def _may_share(self, bearer: str | None) -> bool:
        wanted = self._sharing.token
        if not (self._sharing.is_on and wanted and bearer):
            return False
        return hmac.compare_digest(wanted.encode(), bearer.encode())

    async def _principal(self, tokens: Tokens, token: str, base_url: str) -> str:
        try:
            claims = await tokens.judge(token, f"{base_url}/mcp")
        except RefusedTokenError as error:
            raise self._refusal(str(error), base_url, "invalid_token") from error
        except BackendError as error:
            _logger.warning("the issuer cannot be asked: %s", error)
            raise IssuerUnavailableError from error
        missing = tokens.missing_scope(claims)
        if missing:
            challenge = self._challenge(base_url, "insufficient_scope")
            scopes = " ".join(tokens.issuer.scopes)
            raise InsufficientScopeError(
                f"The access token does not have the scope {missing}",
                f'{challenge}, scope="{scopes}"',
            )
        named = f"{tokens.issuer.url} {claims.get('sub')} {claims.get('client_id')}"
        return hashlib.sha256(named.encode()).hexdigest()

    def _refusal(self, reason: str, base_url: str, error: str = "") -> UnauthenticatedError:
        return UnauthenticatedError(reason, self._challenge(base_url, error))

    def _challenge(self, base_url: str, error: str) -> str:
        """Value of `WWW-Authenticate` (RFC 6750, section 3, and RFC 9728, section 5.1)."""
        challenge = f'{REALM}, error="{error}"' if error else REALM
        if self._tokens is None:
            return challenge
        root = base_url.removesuffix(self._base_path)
        metadata = f"{root}{METADATA_PATH}{self._base_path}/mcp"
        return f'{challenge}, resource_metadata="{metadata}"'
