"""Confirmation: a person asked through the client, in both eras of the protocol."""

import hashlib
import json
import secrets
from collections.abc import Mapping

from createos_mcp.calls.client_requests import ClientRequest, Reply
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.errors import (
    ConfirmationNeededError,
    DeclinedError,
    UnconfirmedError,
)
from createos_mcp.contract.once_marks import OnceMarks, OwnMarks
from createos_mcp.contract.operations import Operation, Question
from createos_mcp.contract.values import Arguments, Json, Schema
from createos_mcp.settings.settings import ConfirmFallback

VALID_S = 600.0
"""How long a person may take to answer."""

QUESTION = "confirmation"
"""What a question and its answer are called between server and client."""

_TYPED, _YES = "name", "confirm"


class Confirmations:
    """Asks, and takes each answer for one call only.

    Args:
        unasked: What becomes of calls of clients that cannot ask; by default a person allows them
            by a code where there are codes, otherwise they are refused.
        codes: Where calls wait for a person.
        once: Tells which answers were used, over all processes that serve the same clients.
    """

    def __init__(
        self,
        unasked: ConfirmFallback | None = None,
        codes: ConfirmationCodes | None = None,
        once: OnceMarks | None = None,
    ) -> None:
        self._unasked: ConfirmFallback = unasked or ("code" if codes else "refuse")
        self._codes = codes
        self._once = once or OwnMarks()

    def must_ask(self, client: ClientRequest, operation: Operation) -> bool:
        """Whether a person has to allow this call first.

        Raises:
            UnconfirmedError: One has to, and nobody can be asked.
        """
        if operation.confirmation is None or client.can_ask:
            return operation.confirmation is not None
        if self._unasked == "refuse" or (self._unasked == "code" and self._codes is None):
            raise UnconfirmedError(operation.name)
        return self._unasked == "code"

    async def require(
        self, client: ClientRequest, operation: Operation, arguments: Arguments, question: Question
    ) -> None:
        """Return when a person allows the call.

        Raises:
            DeclinedError: The person did not.
            UnconfirmedError: The client cannot ask; the person may allow it by a code.
            ConfirmationNeededError: The client has to call again with an answer.
        """
        call = _digest(operation, arguments)
        if not client.can_ask:
            self._require_code(client, operation, call, question)
            return
        if client.is_modern:
            reply = self._resume(client, call, question)
        else:
            reply = await client.ask(question.text, confirmation_form(question))
        if reply.action != "accept" or not _allows(reply.content, question):
            raise DeclinedError(operation.name, reply.action, question.typed)

    def _require_code(
        self, client: ClientRequest, operation: Operation, call: str, question: Question
    ) -> None:
        caller = client.caller or ""
        if self._codes is None:
            raise UnconfirmedError(operation.name)
        if self._codes.take(call, caller):
            return
        try:
            code = self._codes.issue(
                call=call, caller=caller, text=question.text, typed=question.typed
            )
        except OSError as error:
            raise UnconfirmedError(operation.name) from error
        place = " of the server's machine" if client.is_remote else ""
        raise UnconfirmedError(operation.name, code, place)

    def _resume(self, client: ClientRequest, call: str, question: Question) -> Reply:
        reply = client.given_reply(QUESTION)
        if reply is None or not self._take(reply.state, call):
            state = json.dumps({"call": call, "once": secrets.token_hex(16)})
            raise ConfirmationNeededError(question, state)
        return reply

    def _take(self, state: str | None, call: str) -> bool:
        """Whether this state was made for this call and has not been used."""
        try:
            held = json.loads(state or "")
        except ValueError:
            return False
        if not isinstance(held, dict) or held.get("call") != call:
            return False
        return self._once.take(str(held["once"]), VALID_S)


def confirmation_form(question: Question) -> Schema:
    """The form that a person fills in: a name to type, or a box to tick."""
    if question.typed:
        field = {"type": "string", "title": f"Type {question.typed} to confirm"}
        return {"type": "object", "properties": {_TYPED: field}, "required": [_TYPED]}
    box = {"type": "boolean", "title": "Yes, do it", "default": False}
    return {"type": "object", "properties": {_YES: box}, "required": [_YES]}


def _allows(content: Mapping[str, Json], question: Question) -> bool:
    if question.typed:
        typed = content.get(_TYPED)
        return isinstance(typed, str) and typed.strip() == question.typed
    return content.get(_YES) is True


def _digest(operation: Operation, arguments: Arguments) -> str:
    text = json.dumps([operation.name, arguments], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
