"""Signed links to a deployment's files, valid for an hour and for nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta

from createos_mcp.platform.errors import NotFoundError, TokenError
from createos_mcp.platform.signed_tokens import SignedTokens

VALID_FOR = timedelta(hours=1)


class Downloads:
    """Signs and checks links.

    Args:
        secret: Known to this platform alone, kept across restarts.
        now: Tells the present moment.
    """

    def __init__(self, *, secret: str, now: Callable[[], datetime]) -> None:
        self._tokens = SignedTokens(
            secret=secret, claims=("deployment",), valid_for=VALID_FOR, now=now
        )

    def link(self, base_url: str, deployment_id: str) -> str:
        """An address that returns the files to anyone who has it, for an hour."""
        token, _ = self._tokens.issue({"deployment": deployment_id})
        return f"{base_url}/downloads/{deployment_id}?token={token}"

    def check(self, deployment_id: str, token: str) -> None:
        """Let a good link pass.

        Raises:
            NotFoundError: The link was not signed here for that deployment, or its hour is over.
        """
        try:
            claims, _ = self._tokens.read(token)
        except TokenError:
            claims = {}
        if claims.get("deployment") != deployment_id:
            raise NotFoundError("valid download link", deployment_id)
