"""Transfer tokens: what an owner gives to the user who takes over a project."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from createos_mcp.platform.errors import TokenError, TransferTokenError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.signed_tokens import SignedTokens

VALID_FOR = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferToken:
    """What a token says."""

    id: str
    project_id: str
    from_user_id: str
    """Who owned the project when the token was made."""
    expires_at: datetime


class TransferTokens:
    """Signs and reads transfer tokens.

    Args:
        secret: Known to this platform alone, kept across restarts.
        now: Tells the present moment.
    """

    def __init__(self, *, secret: str, now: Callable[[], datetime]) -> None:
        claims = ("project", "from", "jti")
        self._tokens = SignedTokens(secret=secret, claims=claims, valid_for=VALID_FOR, now=now)

    def issue(self, project_id: str, from_user_id: str) -> tuple[str, datetime]:
        """A token that is valid for six hours and one transfer, and when it expires."""
        return self._tokens.issue({"project": project_id, "from": from_user_id, "jti": new_id()})

    def read(self, text: str) -> TransferToken:
        """What a good token says.

        Raises:
            TransferTokenError: It was not signed here, or its six hours are over.
        """
        try:
            claims, expires_at = self._tokens.read(text)
        except TokenError as error:
            raise TransferTokenError(str(error)) from error
        return TransferToken(
            id=claims["jti"],
            project_id=claims["project"],
            from_user_id=claims["from"],
            expires_at=expires_at,
        )
