"""Transfer tokens: what an owner hands to the user who shall take over a project."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from createos_mcp.platform.errors import TransferTokenError
from createos_mcp.platform.ids import new_id

VALID_FOR = timedelta(hours=6)

_ALGORITHM = "HS256"
_CLAIMS = ("project", "from", "jti", "iat", "exp")

# The clock that decides is ours, so that PyJWT looks at the claims' presence alone.
_OPTIONS: Any = {"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferToken:
    """What a token says."""

    id: str
    project_id: str
    from_user_id: str
    """Who owned the project when the token was made."""
    expires_at: datetime


class TransferTokens:
    """Signs and reads tokens, https://www.rfc-editor.org/rfc/rfc7519.

    Args:
        secret: Known to this platform alone, kept over restarts.
        now: Tells the present moment.
    """

    def __init__(self, *, secret: str, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._now = now

    def issue(self, project_id: str, from_user_id: str) -> tuple[str, datetime]:
        """A token that is valid for six hours and one transfer, and when it ends."""
        # Transfers are rare, and this would take a tenth of the platform's start.
        import jwt  # noqa: PLC0415

        now = self._now()
        expires_at = (now + VALID_FOR).replace(microsecond=0)
        claims = {
            "project": project_id,
            "from": from_user_id,
            "jti": new_id(),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM), expires_at

    def read(self, text: str) -> TransferToken:
        """What a good token says.

        Raises:
            TransferTokenError: It was not signed here, or its six hours are over.
        """
        import jwt  # noqa: PLC0415 - as above

        try:
            claims = jwt.decode(text, self._secret, algorithms=[_ALGORITHM], options=_OPTIONS)
        except (jwt.InvalidTokenError, UnicodeEncodeError) as error:
            raise TransferTokenError("was not issued by this platform") from error
        expires_at = datetime.fromtimestamp(claims["exp"], tz=self._now().tzinfo)
        if expires_at <= self._now():
            raise TransferTokenError("has expired")
        return TransferToken(
            id=claims["jti"],
            project_id=claims["project"],
            from_user_id=claims["from"],
            expires_at=expires_at,
        )
