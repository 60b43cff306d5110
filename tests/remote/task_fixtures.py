"""What the conformance suite asks for about tasks (SEP-2663)."""

from collections.abc import Mapping

import anyio
import mcp_types as t

from createos_mcp.contract.values import Json
from createos_mcp.server.tasks import SOON_S, require_tasks
from tests.remote.input_fixtures import NO_ARGUMENTS, Answer, Context, Tool, question, text

LONG_S = SOON_S + 0.3


def said(words: str, *, is_error: bool = False) -> t.CallToolResult:
    return t.CallToolResult(content=[text(words)], is_error=is_error)


async def greet(_context: Context, params: t.CallToolRequestParams) -> Answer:
    return said(f"Hello, {(params.arguments or {}).get('name')}!")


async def compute(_context: Context, params: t.CallToolRequestParams) -> Answer:
    seconds = (params.arguments or {}).get("seconds", 1)
    await anyio.sleep(seconds)
    return said(f"computed for {seconds} s")


async def fail(context: Context, _params: t.CallToolRequestParams) -> Answer:
    require_tasks(context)
    await anyio.sleep(1)
    return said("The job failed", is_error=True)


async def panic(_context: Context, _params: t.CallToolRequestParams) -> Answer:
    await anyio.sleep(LONG_S)
    raise RuntimeError("the job panicked")


def ask_late(*keys: str) -> Tool:
    """Asks only after the call has become a task."""

    async def answer(_context: Context, params: t.CallToolRequestParams) -> Answer:
        given = params.input_responses or {}
        if given.keys() >= set(keys):
            return said(f"answered: {sorted(given)}")
        await anyio.sleep(LONG_S)
        asked = {key: question(f"Please answer {key}", "confirm", "boolean") for key in keys}
        return t.InputRequiredResult(input_requests=dict(asked))

    return answer


async def ask_first(context: Context, params: t.CallToolRequestParams) -> Answer:
    require_tasks(context)
    given = params.input_responses or {}
    name = given.get("user_name")
    if not isinstance(name, t.ElicitResult):
        asked = {"user_name": question("What is your name?", "name")}
        return t.InputRequiredResult(input_requests=dict(asked))
    await anyio.sleep(LONG_S)
    return said(f"Hello, {(name.content or {}).get('name')}!")


SECONDS: Mapping[str, Json] = {"type": "object", "properties": {"seconds": {"type": "number"}}}
NAME: Mapping[str, Json] = {"type": "object", "properties": {"name": {"type": "string"}}}

TASK_TOOLS: Mapping[str, tuple[Mapping[str, Json], Tool]] = {
    "greet": (NAME, greet),
    "slow_compute": (SECONDS, compute),
    "failing_job": (NO_ARGUMENTS, fail),
    "protocol_error_job": (NO_ARGUMENTS, panic),
    "confirm_delete": (NO_ARGUMENTS, ask_late("confirmation")),
    "multi_input": (NO_ARGUMENTS, ask_late("first", "second")),
    "test_tool_with_task": (NO_ARGUMENTS, ask_first),
}
