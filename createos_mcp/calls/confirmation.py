"""Confirmation: a person asked through the client, in both eras of the protocol."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import mcp_types
from mcp.server import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.errors import (
    ConfirmationNeededError,
    DeclinedError,
    UnconfirmedError,
)
from createos_mcp.contract.once_marks import OnceMarks, OwnMarks
from createos_mcp.contract.operations import Operation, Question
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.settings.settings import ConfirmFallback

Context: TypeAlias = ServerRequestContext[Any, Any]

VALID_S = 600.0
"""How long a person may take to answer."""

ONE_ANSWER = "one_answer"
"""The name in a request's state that says that nothing but the answer reaches its client."""

_KEY = "confirmation"
_TYPED, _YES = "name", "confirm"
_CALLER_HEADERS = ("x-api-key", "authorization")


def sealing(
    keys: Sequence[str | bytes], principal: Callable[[Context], str | None]
) -> RequestStateBoundary:
    """Seals what goes to the client between question and answer, for one caller and one call.

    Args:
        keys: Of 32 bytes or more; the first one seals, all open, so that several processes can
            serve one client. Without any, a key of this process.
        principal: Tells whose a call is; None over stdio, where there is one caller.
    """
    security = RequestStateSecurity(
        keys=keys or [secrets.token_bytes(32)], ttl=VALID_S, bind_principal=principal
    )
    return RequestStateBoundary(security, default_audience="createos-mcp")


def fingerprint(context: Context) -> str | None:
    """A fingerprint of the credentials that a call over HTTP came with."""
    if context.request is None:
        return None
    given = "\n".join(context.request.headers.get(name, "") for name in _CALLER_HEADERS)
    return hashlib.sha256(given.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientRequest:
    """A call's way to a person."""

    context: Context
    params: mcp_types.CallToolRequestParams

    @property
    def can_ask(self) -> bool:
        """Whether the client shows forms to a person and can be asked now."""
        capabilities = self.context.session.client_capabilities
        asks = None if capabilities is None else capabilities.elicitation
        if asks is None or (asks.form is None and asks.url is not None):
            return False
        return self.is_modern or (
            self.context.session.can_send_request and not self._has_one_answer
        )

    @property
    def _has_one_answer(self) -> bool:
        request = self.context.request
        return request is not None and ONE_ANSWER in request.scope.get("state", {})

    @property
    def is_modern(self) -> bool:
        """Whether questions are results that the client answers by calling again."""
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS


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
            AnswerNeededError: The client has to call again with an answer.
        """
        call = _digest(operation, arguments)
        if not client.can_ask:
            self._require_code(client, operation, call, question)
            return
        answer = await (self._resume if client.is_modern else _elicit)(client, call, question)
        if answer.action != "accept" or not _allows(answer.content or {}, question):
            raise DeclinedError(operation.name, answer.action, question.typed)

    def _require_code(
        self, client: ClientRequest, operation: Operation, call: str, question: Question
    ) -> None:
        caller = fingerprint(client.context) or ""
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
        place = "" if client.context.request is None else " of the server's machine"
        raise UnconfirmedError(operation.name, code, place)

    async def _resume(
        self, client: ClientRequest, call: str, question: Question
    ) -> mcp_types.ElicitResult:
        answer = (client.params.input_responses or {}).get(_KEY)
        if not isinstance(answer, mcp_types.ElicitResult) or not self._take(
            client.params.request_state, call
        ):
            state = json.dumps({"call": call, "once": secrets.token_hex(16)})
            raise ConfirmationNeededError(question, state)
        return answer

    def _take(self, state: str | None, call: str) -> bool:
        """Whether this state was made for this call and has not been used."""
        try:
            held = json.loads(state or "")
        except ValueError:
            return False
        if not isinstance(held, dict) or held.get("call") != call:
            return False
        return self._once.take(str(held["once"]), VALID_S)


def input_required(error: ConfirmationNeededError) -> mcp_types.InputRequiredResult:
    """The result that has the client put the question to a person and call again."""
    question = mcp_types.ElicitRequestFormParams(
        message=error.question.text, requested_schema=_form(error.question)
    )
    return mcp_types.InputRequiredResult(
        input_requests={_KEY: mcp_types.ElicitRequest(params=question)},
        request_state=error.state,
    )


async def _elicit(client: ClientRequest, _call: str, question: Question) -> mcp_types.ElicitResult:
    context = client.context
    try:
        return await context.session.elicit_form(
            question.text, _form(question), related_request_id=context.request_id
        )
    except MCPError as error:
        raise UnconfirmedError(client.params.name) from error


def _form(question: Question) -> dict[str, Json]:
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
