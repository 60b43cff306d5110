"""What a call asks of the client that made it, and of the person there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from createos_mcp.contract.values import Json, Schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a person did with a form."""

    action: str
    """`accept`, `decline` or `cancel`."""
    content: Mapping[str, Json] = field(default_factory=dict)
    state: str | None = None
    """What came back with it, where the client called again with the answer."""


class ClientRequest(Protocol):
    """The request of a client that a call came with."""

    @property
    def is_remote(self) -> bool:
        """Whether the client sits at another machine."""

    @property
    def caller(self) -> str | None:
        """Tells callers over HTTP apart; None over stdio, where there is one."""

    @property
    def is_modern(self) -> bool:
        """Whether questions are results that the client answers by calling again."""

    @property
    def can_ask(self) -> bool:
        """Whether the client shows forms to a person and can be asked now."""

    @property
    def offers_roots(self) -> bool:
        """Whether the client tells which directories it lets servers read."""

    @property
    def shows_progress(self) -> bool:
        """Whether the client asked for progress."""

    def given_reply(self, key: str) -> Reply | None:
        """What a person answered, where the client called again with it."""

    def given_roots(self, key: str) -> Sequence[str] | None:
        """Addresses of roots, where the client called again with them."""

    async def ask(self, text: str, form: Schema) -> Reply:
        """Have a person fill in a form, in the era in which that is a request.

        Raises:
            UnconfirmedError: The client does not ask.
        """

    async def list_roots(self) -> Sequence[str]:
        """Addresses of roots, in the era in which they are asked for; none where it refuses."""

    async def report(self, number: int, message: str) -> None:
        """Tell the client how far the call is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainRequest:
    """A request of a client that is asked nothing and told nothing but the answer."""

    is_remote: bool = False
    caller: None = None
    is_modern: bool = False
    can_ask: bool = False
    offers_roots: bool = False
    shows_progress: bool = False

    def given_reply(self, _key: str) -> None:
        """Nothing."""

    def given_roots(self, _key: str) -> None:
        """Nothing."""

    async def ask(self, _text: str, _form: Schema) -> Reply:
        """Nobody: as if a person had looked away."""
        return Reply(action="cancel")

    async def list_roots(self) -> Sequence[str]:
        """None."""
        return ()

    async def report(self, _number: int, _message: str) -> None:
        """Nothing."""
