"""What refuses an HTTP request; each class composes its own sentence.

* CreateosError
  x RefusedRequestError
    + UnauthenticatedError
      - InsufficientScopeError
    + IssuerUnavailableError
    + ForeignHostError
    + ForeignOriginError
    + SlowBodyError
    + BodyTooLargeError
    + UploadAddressError
    + TooManyCallsError
    + StoppingError
  x RefusedTokenError
"""

from typing_extensions import override

from createos_mcp.contract.errors import CreateosError
from createos_mcp.contract.quotation import quote


class RefusedRequestError(CreateosError):
    """An HTTP request is refused before any tool sees it; the sentence is part of the answer."""

    status = 400
    code = "bad_request"
    """The answer's `error`, for programs."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {}


class UnauthenticatedError(RefusedRequestError):
    """No credentials came, or none that count.

    Attributes:
        challenge: Value of `WWW-Authenticate`.
    """

    status = 401
    code = "unauthorized"

    def __init__(self, reason: str, challenge: str) -> None:
        super().__init__(
            f"{reason}; send your CreateOS key as X-Api-Key or as Authorization: Bearer"
        )
        self.challenge = challenge

    @property
    @override
    def headers(self) -> dict[str, str]:
        """What RFC 9110 asks of a 401."""
        return {"WWW-Authenticate": self.challenge}


class InsufficientScopeError(UnauthenticatedError):
    """The access token is good and lacks a scope."""

    status = 403
    code = "insufficient_scope"


class IssuerUnavailableError(RefusedRequestError):
    """The authorization server cannot be asked about a token."""

    status = 503
    code = "issuer_unavailable"

    def __init__(self) -> None:
        super().__init__("The access token cannot be checked at the moment; retry in 5 s")

    @property
    @override
    def headers(self) -> dict[str, str]:
        """When to come back."""
        return {"Retry-After": "5"}


class RefusedTokenError(CreateosError):
    """An access token does not count; the sentence holds no part of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The access token {reason}")


class ForeignHostError(RefusedRequestError):
    """The Host header names none of this server's names."""

    status = 421
    code = "foreign_host"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"This server does not accept the host {quote(host, limit_bytes=100)!r}; "
            "its operator can add it to CREATEOS_SERVE_ALLOWED_HOSTS"
        )


class ForeignOriginError(RefusedRequestError):
    """A web page calls that may not."""

    status = 403
    code = "foreign_origin"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Pages of {quote(origin, limit_bytes=100)!r} are not allowed to call this server; "
            "its operator can add the origin to CREATEOS_SERVE_ALLOWED_ORIGINS"
        )


class SlowBodyError(RefusedRequestError):
    """The request's body stopped coming."""

    status = 408
    code = "request_timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The request body stalled for {limit_s:g} s; send it again")


class BodyTooLargeError(RefusedRequestError):
    """The request's body is larger than this server takes."""

    status = 413
    code = "too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The request is larger than {limit_bytes} bytes; upload many files as a zip to an "
            "upload URL instead"
        )


class UploadAddressError(RefusedRequestError):
    """The upload address cannot be used, or not any more."""

    status = 410
    code = "upload_address"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This upload URL {reason}; call the tool again for a new one")


class TooManyCallsError(RefusedRequestError):
    """A caller has used up what one may use."""

    status = 429
    code = "too_many_requests"

    def __init__(self, limit: str, retry_after_s: int) -> None:
        super().__init__(f"More than {limit}; retry in {retry_after_s} s")
        self.retry_after_s = retry_after_s

    @property
    @override
    def headers(self) -> dict[str, str]:
        """When to come back."""
        return {"Retry-After": str(self.retry_after_s)}


class StoppingError(RefusedRequestError):
    """This server finishes its calls and takes no new ones."""

    status = 503
    code = "stopping"

    def __init__(self) -> None:
        super().__init__("This server is stopping; retry in 1 s")

    @property
    @override
    def headers(self) -> dict[str, str]:
        """Sends the next request to another server."""
        return {"Retry-After": "1", "Connection": "close"}
