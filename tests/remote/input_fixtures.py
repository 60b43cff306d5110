"""What the conformance suite asks for about results that need input (SEP-2322)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import mcp_types as t
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.values import Json

Context: TypeAlias = ServerRequestContext[Any, Any]
Answer: TypeAlias = t.CallToolResult | t.InputRequiredResult
Tool: TypeAlias = Callable[[Context, t.CallToolRequestParams], Awaitable[Answer]]
Given: TypeAlias = Mapping[str, Any]

NO_ARGUMENTS: Mapping[str, Json] = {"type": "object", "properties": {}}
ASKING_PROMPT = "test_input_required_result_prompt"


def text(words: str) -> t.TextContent:
    return t.TextContent(type="text", text=words)


def question(words: str, field: str, kind: str = "string") -> t.ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=words, requested_schema=schema))


def sampling(words: str) -> t.CreateMessageRequest:
    message = t.SamplingMessage(role="user", content=text(words))
    params = t.CreateMessageRequestParams(messages=[message], max_tokens=100)
    return t.CreateMessageRequest(params=params)


NAME = question("What is your name?", "name")
ROOTS = t.ListRootsRequest()


def asking(requests: Mapping[str, Any], state: str | None = None) -> Tool:
    """Asks until each question is answered, then says what it got."""

    async def answer(_context: Context, params: t.CallToolRequestParams) -> Answer:
        given: Given = params.input_responses or {}
        if not requests.keys() <= given.keys():
            return t.InputRequiredResult(input_requests=dict(requests), request_state=state)
        if params.request_state != state:
            raise MCPError(t.INVALID_PARAMS, "The state is not the one that was given out")
        said = ", ".join(str(given[key].model_dump(mode="json")) for key in requests)
        return t.CallToolResult(content=[text(f"state-ok: {said}")])

    return answer


async def ask_twice(_context: Context, params: t.CallToolRequestParams) -> Answer:
    given: Given = params.input_responses or {}
    if params.request_state == "second" and "step2" in given:
        return t.CallToolResult(content=[text("done")])
    if params.request_state == "first" and "step1" in given:
        color = question("Step 2: What is your favorite color?", "color")
        return t.InputRequiredResult(input_requests={"step2": color}, request_state="second")
    name = question("Step 1: What is your name?", "name")
    return t.InputRequiredResult(input_requests={"step1": name}, request_state="first")


async def ask_what_is_declared(context: Context, params: t.CallToolRequestParams) -> Answer:
    declared = context.session.client_capabilities or t.ClientCapabilities()
    requests: dict[str, Any] = {}
    if declared.elicitation is not None:
        requests["name"] = NAME
    if declared.sampling is not None:
        requests["capital"] = sampling("What is the capital of France?")
    if params.input_responses or not requests:
        return t.CallToolResult(content=[text("ok")])
    return t.InputRequiredResult(input_requests=requests)


async def need_sampling(context: Context, _params: t.CallToolRequestParams) -> Answer:
    declared = context.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            t.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This needs a client that samples",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return t.CallToolResult(content=[text("ok")])


def ask_prompt(context: Context) -> t.GetPromptResult | t.InputRequiredResult:
    given: Given = (context.params or {}).get("inputResponses") or {}
    if "user_context" not in given:
        context_question = question("What context should the prompt use?", "context")
        return t.InputRequiredResult(input_requests={"user_context": context_question})
    message = t.PromptMessage(role="user", content=text(str(given["user_context"])))
    return t.GetPromptResult(messages=[message])


CONFIRMATION = question("Please confirm", "ok", "boolean")
INPUT_TOOLS: Mapping[str, tuple[Mapping[str, Json], Tool]] = {
    "test_missing_capability": (NO_ARGUMENTS, need_sampling),
    "test_input_required_result_elicitation": (NO_ARGUMENTS, asking({"user_name": NAME})),
    "test_input_required_result_sampling": (
        NO_ARGUMENTS,
        asking({"capital_question": sampling("What is the capital of France?")}),
    ),
    "test_input_required_result_list_roots": (NO_ARGUMENTS, asking({"client_roots": ROOTS})),
    "test_input_required_result_request_state": (
        NO_ARGUMENTS,
        asking({"confirm": CONFIRMATION}, "kept"),
    ),
    "test_input_required_result_multiple_inputs": (
        NO_ARGUMENTS,
        asking(
            {"user_name": NAME, "greeting": sampling("Generate a greeting"), "client_roots": ROOTS},
            "kept",
        ),
    ),
    "test_input_required_result_multi_round": (NO_ARGUMENTS, ask_twice),
    "test_input_required_result_tampered_state": (
        NO_ARGUMENTS,
        asking({"confirm": CONFIRMATION}, "kept"),
    ),
    "test_input_required_result_capabilities": (NO_ARGUMENTS, ask_what_is_declared),
}
