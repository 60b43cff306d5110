"""Requests of the SDK as calls see them, and the results that it sends for what calls ask."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import mcp_types
from mcp.server import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from createos_mcp.answers.results import ToolResult
from createos_mcp.calls.client_requests import Reply
from createos_mcp.calls.confirmation import QUESTION, VALID_S, confirmation_form
from createos_mcp.calls.roots import ROOTS
from createos_mcp.contract.errors import ConfirmationNeededError, UnconfirmedError
from createos_mcp.contract.values import Schema

Context: TypeAlias = ServerRequestContext[Any, Any]

CallAnswer: TypeAlias = mcp_types.CallToolResult | mcp_types.InputRequiredResult

ONE_ANSWER = "one_answer"
"""The name in a request's state that says that nothing but the answer reaches its client."""

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
class SdkRequest:
    """A call's request, with a way to a person; see `ClientRequest`."""

    context: Context
    params: mcp_types.CallToolRequestParams

    @property
    def is_remote(self) -> bool:
        """Whether it came over HTTP."""
        return self.context.request is not None

    @property
    def caller(self) -> str | None:
        """The fingerprint of its credentials."""
        return fingerprint(self.context)

    @property
    def is_modern(self) -> bool:
        """Whether questions are results that the client answers by calling again."""
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

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
    def offers_roots(self) -> bool:
        """Whether the client has the capability."""
        capabilities = self.context.session.client_capabilities
        return capabilities is not None and capabilities.roots is not None

    @property
    def shows_progress(self) -> bool:
        """Whether the client asked for progress."""
        return "progress_token" in (self.context.meta or {})

    def given_reply(self, key: str) -> Reply | None:
        """What the client called again with."""
        answer = (self.params.input_responses or {}).get(key)
        if not isinstance(answer, mcp_types.ElicitResult):
            return None
        return _reply(answer, self.params.request_state)

    def given_roots(self, key: str) -> Sequence[str] | None:
        """What the client called again with."""
        listed = (self.params.input_responses or {}).get(key)
        return _addresses(listed) if isinstance(listed, mcp_types.ListRootsResult) else None

    async def ask(self, text: str, form: Schema) -> Reply:
        """Ask within the call.

        Raises:
            UnconfirmedError: The client does not.
        """
        try:
            answer = await self.context.session.elicit_form(
                text, dict(form), related_request_id=self.context.request_id
            )
        except MCPError as error:
            raise UnconfirmedError(self.params.name) from error
        return _reply(answer)

    async def list_roots(self) -> Sequence[str]:
        """Ask within the call; none where the client refuses."""
        try:
            return _addresses(
                await self.context.session.send_request(
                    mcp_types.ListRootsRequest(), mcp_types.ListRootsResult
                )
            )
        except MCPError:
            return ()

    async def report(self, number: int, message: str) -> None:
        """Send a notice of progress, where the client asked for it."""
        await self.context.session.report_progress(number, message=message)


def render_result(result: ToolResult) -> mcp_types.CallToolResult:
    """What a model reads of a call, as the SDK sends it."""
    structured = None if result.is_error else dict(result.structured)
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=result.text)],
        structured_content=structured,
        is_error=result.is_error,
    )


def input_required(error: ConfirmationNeededError) -> mcp_types.InputRequiredResult:
    """The result that has the client put the question to a person and call again."""
    question = mcp_types.ElicitRequestFormParams(
        message=error.question.text, requested_schema=dict(confirmation_form(error.question))
    )
    return mcp_types.InputRequiredResult(
        input_requests={QUESTION: mcp_types.ElicitRequest(params=question)},
        request_state=error.state,
    )


def roots_required() -> mcp_types.InputRequiredResult:
    """The result that has the client list its roots and call again."""
    return mcp_types.InputRequiredResult(input_requests={ROOTS: mcp_types.ListRootsRequest()})


def _reply(answer: mcp_types.ElicitResult, state: str | None = None) -> Reply:
    return Reply(action=answer.action, content=answer.content or {}, state=state)


def _addresses(listed: mcp_types.ListRootsResult) -> Sequence[str]:
    return [str(root.uri) for root in listed.roots]
