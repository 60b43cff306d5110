"""Tickets: what an upload address stands for, sealed so that any replica can open it."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState

from createos_mcp.client.target import Credentials
from createos_mcp.contract.once_marks import OnceMarks, OwnMarks
from createos_mcp.remote.errors import UploadAddressError

LIFE_S = 15 * 60

_USE = "u"
"""The same keys seal other things too, and one must not pass for another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """One upload that one caller may make."""

    path: str
    """Of the request to the platform, `/v1/projects/3f0c.../deployments/upload-zip`."""
    credentials: Credentials | None


class Tickets:
    """Seals tickets, and opens each of them once.

    Args:
        keys: The first seals, all open (https://csrc.nist.gov/pubs/sp/800/38/d/final).
        once: Tells which were used, over all processes that serve the same address.
        clock: Seconds since the epoch, the same on all replicas.
    """

    def __init__(
        self,
        keys: Sequence[str],
        *,
        once: OnceMarks | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._codec = AESGCMRequestStateCodec(keys)
        self._clock = clock
        self._once = once or OwnMarks()

    def seal(self, ticket: Ticket) -> str:
        """The ticket as one segment of an address."""
        until = int(self._clock()) + LIFE_S
        own = ticket.credentials or Credentials()
        is_shared = ticket.credentials is None
        members = [_USE, until, ticket.path, is_shared, own.api_key, own.access_token]
        return self._codec.seal(json.dumps(members, separators=(",", ":")).encode())

    def open(self, sealed: str) -> Ticket:
        """The ticket, which from now on is used.

        Raises:
            UploadAddressError: It is none of ours, too old, or was used before.
        """
        try:
            use, *members = json.loads(self._codec.unseal(sealed))
        except (InvalidRequestState, ValueError) as error:
            raise UploadAddressError("was not issued by this server") from error
        if use != _USE:
            raise UploadAddressError("was not issued by this server")
        until, path, is_shared, api_key, access_token = members
        if until < self._clock():
            raise UploadAddressError(f"has expired ({LIFE_S // 60} min)")
        if not self._once.take(sealed, 2 * LIFE_S):
            raise UploadAddressError("has already been used")
        credentials = Credentials(api_key=api_key, access_token=access_token)
        return Ticket(path=path, credentials=None if is_shared else credentials)
