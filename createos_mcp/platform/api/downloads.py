"""Signed links to a deployment's files, valid for an hour and for nothing else."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime

from createos_mcp.platform.errors import NotFoundError

VALID_S = 3600

_EXPIRES = re.compile("[0-9]{1,12}")


class Downloads:
    """Signs and checks links.

    Args:
        secret: Known to this platform alone, kept over restarts.
        now: Tells the present moment.
    """

    def __init__(self, *, secret: str, now: Callable[[], datetime]) -> None:
        self._secret = secret.encode()
        self._now = now

    def link(self, base_url: str, deployment_id: str) -> str:
        """An address that hands out the files to whoever has it, for an hour."""
        expires = int(self._now().timestamp()) + VALID_S
        signature = self._sign(deployment_id, expires)
        return f"{base_url}/downloads/{deployment_id}?expires={expires}&signature={signature}"

    def check(self, deployment_id: str, expires: str, signature: str) -> None:
        """Let a good link pass.

        Raises:
            NotFoundError: The link was not signed here, or its hour is over.
        """
        good = _EXPIRES.fullmatch(expires) and hmac.compare_digest(
            self._sign(deployment_id, int(expires)).encode(),
            signature.encode(errors="surrogatepass"),
        )
        if not good or int(expires) < self._now().timestamp():
            raise NotFoundError("valid download link", deployment_id)

    def _sign(self, deployment_id: str, expires: int) -> str:
        message = f"{deployment_id} {expires}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
