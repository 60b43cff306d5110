"""Tokens that the platform signs and later believes, https://www.rfc-editor.org/rfc/rfc7519."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from createos_mcp.platform.errors import TokenError

_ALGORITHM = "HS256"


class SignedTokens:
    """Signs and reads the tokens of one purpose.

    Args:
        secret: Known to this platform alone, for this purpose alone, and kept across restarts.
        claims: What every token says.
        valid_for: How long one is valid.
        now: Tells the present moment.
    """

    def __init__(
        self,
        *,
        secret: str,
        claims: tuple[str, ...],
        valid_for: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._secret = secret
        self._valid_for = valid_for
        self._now = now
        # The clock that decides is ours, so that PyJWT looks at the claims' presence alone.
        self._options: Any = {
            "require": [*claims, "iat", "exp"],
            "verify_exp": False,
            "verify_iat": False,
        }

    def issue(self, claims: Mapping[str, str]) -> tuple[str, datetime]:
        """A token with these claims, and when it expires."""
        # Tokens are rare, and this would take a tenth of the platform's start.
        import jwt  # noqa: PLC0415

        now = self._now()
        expires_at = (now + self._valid_for).replace(microsecond=0)
        times = {"iat": int(now.timestamp()), "exp": int(expires_at.timestamp())}
        return jwt.encode({**claims, **times}, self._secret, algorithm=_ALGORITHM), expires_at

    def read(self, text: str) -> tuple[Mapping[str, str], datetime]:
        """What a token says, and when it expires.

        Raises:
            TokenError: It was not signed here, or has expired.
        """
        import jwt  # noqa: PLC0415 - as above

        try:
            claims = jwt.decode(text, self._secret, algorithms=[_ALGORITHM], options=self._options)
        except (jwt.InvalidTokenError, UnicodeEncodeError) as error:
            raise TokenError("was not issued by this platform") from error
        expires_at = datetime.fromtimestamp(claims["exp"], tz=self._now().tzinfo)
        if expires_at <= self._now():
            raise TokenError("has expired")
        return claims, expires_at
