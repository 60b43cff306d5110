"""The product's server with what the conformance suite asks for beside it.

Run as `python -m tests.remote.fixture_server` with the flags of `createos-mcp serve`.
"""

import json
import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio
import mcp_types as t
from mcp.server import Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types.version import is_version_at_least

from createos_mcp.client.target import ApiTarget
from createos_mcp.contract.values import Json
from createos_mcp.remote.serve import serve_http
from createos_mcp.server.tasks import TaskExtension
from createos_mcp.settings.settings import Settings
from tests.remote.input_fixtures import ASKING_PROMPT, INPUT_TOOLS, ask_prompt
from tests.remote.task_fixtures import TASK_TOOLS

Context: TypeAlias = ServerRequestContext[Any, Any]
Answer: TypeAlias = t.CallToolResult | t.InputRequiredResult
Tool: TypeAlias = Callable[[Context, t.CallToolRequestParams], Awaitable[Answer]]

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

NO_ARGUMENTS: Mapping[str, Json] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}
RESOURCES: Mapping[str, tuple[str, str]] = {
    "test://static-text": ("text/plain", "text"),
    "test://static-binary": ("image/png", PNG),
    "test://watched-resource": ("text/plain", "watched"),
}
PROMPTS: Mapping[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}
PERSON: Mapping[str, Json] = {
    "type": "object",
    "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
    "required": ["username", "email"],
}
DEFAULTS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}
CHOICES: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First"},
                {"const": "value2", "title": "Second"},
            ],
        },
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First"},
                    {"const": "value2", "title": "Second"},
                ]
            },
        },
    },
}


def text(words: str) -> t.TextContent:
    return t.TextContent(type="text", text=words)


def embedded(uri: str) -> t.EmbeddedResource:
    contents = t.TextResourceContents(uri=uri, mime_type="text/plain", text="x")
    return t.EmbeddedResource(type="resource", resource=contents)


def fixed(*content: t.ContentBlock, is_error: bool = False) -> Tool:
    async def answer(_context: Context, _params: t.CallToolRequestParams) -> Answer:
        return t.CallToolResult(content=list(content), is_error=is_error)

    return answer


async def log(context: Context, _params: t.CallToolRequestParams) -> Answer:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", words, related_request_id=context.request_id)
        await anyio.sleep(0.05)
    return t.CallToolResult(content=[text("ok")])


async def progress(context: Context, _params: t.CallToolRequestParams) -> Answer:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"Completed step {done} of 100")
        await anyio.sleep(0.05)
    return t.CallToolResult(content=[text("ok")])


async def sample(context: Context, params: t.CallToolRequestParams) -> Answer:
    asked = t.SamplingMessage(role="user", content=text((params.arguments or {})["prompt"]))
    answer = await context.session.create_message(
        [asked], max_tokens=100, related_request_id=context.request_id
    )
    return t.CallToolResult(content=[text(f"LLM response: {getattr(answer.content, 'text', '?')}")])


def elicit(schema: Mapping[str, Json]) -> Tool:
    """Asks the user, in the way of the client's era, and seals what it has to remember."""

    async def answer(context: Context, params: t.CallToolRequestParams) -> Answer:
        words = (params.arguments or {}).get("message", "Please answer")
        if not is_version_at_least(context.protocol_version, "2026-07-28"):
            said = await context.session.elicit_form(
                words, dict(schema), related_request_id=context.request_id
            )
            return told(said, None)
        given = (params.input_responses or {}).get("q")
        if isinstance(given, t.ElicitResult):
            return told(given, params.request_state)
        question = t.ElicitRequestFormParams(message=words, requested_schema=dict(schema))
        return t.InputRequiredResult(
            input_requests={"q": t.ElicitRequest(params=question)},
            request_state=f"process {os.getpid()}",
        )

    return answer


def told(said: t.ElicitResult, state: str | None) -> t.CallToolResult:
    words = f"action={said.action}, content={json.dumps(said.content)}, state={state}"
    return t.CallToolResult(content=[text(f"{words}, here {os.getpid()}")])


HEADERS_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "priority": {"type": "integer", "x-mcp-header": "Priority"},
    },
}
ONE_TEXT = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
ONE_MESSAGE = {"type": "object", "properties": {"message": {"type": "string"}}}
MODERN_SCHEMA: Mapping[str, Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

TOOLS: Mapping[str, tuple[Mapping[str, Json], Tool]] = {
    **INPUT_TOOLS,
    **TASK_TOOLS,
    "test_simple_text": (
        NO_ARGUMENTS,
        fixed(text("This is a simple text response for testing.")),
    ),
    "test_image_content": (
        NO_ARGUMENTS,
        fixed(t.ImageContent(type="image", data=PNG, mime_type="image/png")),
    ),
    "test_audio_content": (
        NO_ARGUMENTS,
        fixed(t.AudioContent(type="audio", data=WAV, mime_type="audio/wav")),
    ),
    "test_embedded_resource": (NO_ARGUMENTS, fixed(embedded("test://embedded-resource"))),
    "test_multiple_content_types": (
        NO_ARGUMENTS,
        fixed(
            text("Multiple"),
            t.ImageContent(type="image", data=PNG, mime_type="image/png"),
            embedded("test://mixed"),
        ),
    ),
    "test_error_handling": (
        NO_ARGUMENTS,
        fixed(text("This tool intentionally returns an error for testing"), is_error=True),
    ),
    "test_tool_with_logging": (NO_ARGUMENTS, log),
    "test_logging_tool": (NO_ARGUMENTS, log),
    "test_streaming_elicitation": (NO_ARGUMENTS, elicit(PERSON)),
    "test_custom_headers": (HEADERS_SCHEMA, fixed(text("ok"))),
    "test_tool_with_progress": (NO_ARGUMENTS, progress),
    "test_sampling": (ONE_TEXT, sample),
    "test_elicitation": (ONE_MESSAGE, elicit(PERSON)),
    "test_elicitation_sep1034_defaults": (NO_ARGUMENTS, elicit(DEFAULTS)),
    "test_elicitation_sep1330_enums": (NO_ARGUMENTS, elicit(CHOICES)),
    "json_schema_2020_12_tool": (MODERN_SCHEMA, fixed(text("ok"))),
}


async def list_resources(
    _context: Context, _params: t.PaginatedRequestParams
) -> t.ListResourcesResult:
    return t.ListResourcesResult(
        resources=[
            t.Resource(uri=uri, name=uri, description=uri, mime_type=mime)
            for uri, (mime, _) in RESOURCES.items()
        ]
    )


async def list_templates(
    _context: Context, _params: t.PaginatedRequestParams
) -> t.ListResourceTemplatesResult:
    template = t.ResourceTemplate(uri_template="test://template/{id}/data", name="template")
    return t.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(
    context: Context, params: t.ReadResourceRequestParams
) -> t.ReadResourceResult:
    uri = str(params.uri)
    if uri.startswith("test://template/"):
        data = json.dumps({"id": uri.split("/")[3]})
        contents = t.TextResourceContents(uri=uri, mime_type="application/json", text=data)
        return t.ReadResourceResult(contents=[contents])
    if uri not in RESOURCES:
        is_modern = is_version_at_least(context.protocol_version, "2026-07-28")
        code = t.INVALID_PARAMS if is_modern else -32002
        raise MCPError(code, f"Resource not found: {uri}", {"uri": uri})
    mime, value = RESOURCES[uri]
    if mime == "image/png":
        blob = t.BlobResourceContents(uri=uri, mime_type=mime, blob=value)
        return t.ReadResourceResult(contents=[blob])
    return t.ReadResourceResult(
        contents=[t.TextResourceContents(uri=uri, mime_type=mime, text=value)]
    )


async def list_prompts(_context: Context, _params: t.PaginatedRequestParams) -> t.ListPromptsResult:
    return t.ListPromptsResult(
        prompts=[
            t.Prompt(
                name=name,
                description=name,
                arguments=[t.PromptArgument(name=one, required=True) for one in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
    )


async def get_prompt(_context: Context, params: t.GetPromptRequestParams) -> t.GetPromptResult:
    given = params.arguments or {}
    first = f"arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
    contents: Mapping[str, list[t.ContentBlock]] = {
        "test_simple_prompt": [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [text(f"Prompt with arguments: {first}")],
        "test_prompt_with_embedded_resource": [
            embedded(given.get("resourceUri", "test://none")),
            text("Please process"),
        ],
        "test_prompt_with_image": [
            t.ImageContent(type="image", data=PNG, mime_type="image/png"),
            text("Analyze"),
        ],
    }
    if params.name not in contents:
        raise MCPError(t.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    messages = [t.PromptMessage(role="user", content=one) for one in contents[params.name]]
    return t.GetPromptResult(messages=messages)


async def complete(_context: Context, _params: t.CompleteRequestParams) -> t.CompleteResult:
    return t.CompleteResult(completion=t.Completion(values=[], total=0, has_more=False))


async def accept(_context: Context, _params: Any) -> t.EmptyResult:  # noqa: ANN401
    return t.EmptyResult()


def extend(server: Server[Any]) -> None:
    """Add the fixtures; every other call goes to the product."""

    async def answer_fixtures(ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.method == "tools/list":
            result = await call_next(ctx)
            listed = t.ListToolsResult.model_validate(result, by_alias=True, by_name=True)
            return listed.model_copy(update={"tools": [*listed.tools, *described()]})
        name = str((ctx.params or {}).get("name"))
        if ctx.method == "prompts/get" and name == ASKING_PROMPT:
            return ask_prompt(ctx)
        if ctx.method != "tools/call" or name not in TOOLS:
            return await call_next(ctx)
        params = t.CallToolRequestParams.model_validate(ctx.params, by_alias=True, by_name=True)
        return await TOOLS[name][1](ctx, params)

    server.middleware.append(answer_fixtures)
    own_schema = server.get_tool_input_schema
    server.get_tool_input_schema = lambda name: (
        dict(TOOLS[name][0]) if name in TOOLS else own_schema and own_schema(name)
    )
    for one in list[Any](server.middleware):
        if is_of_tasks(one):
            one.__self__.lasts = TASK_TOOLS.__contains__
    server.add_request_handler("resources/list", t.PaginatedRequestParams, list_resources)
    server.add_request_handler("resources/templates/list", t.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", t.ReadResourceRequestParams, read_resource)
    server.add_request_handler("resources/subscribe", t.SubscribeRequestParams, accept)
    server.add_request_handler("resources/unsubscribe", t.UnsubscribeRequestParams, accept)
    server.add_request_handler("prompts/list", t.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", t.GetPromptRequestParams, get_prompt)
    server.add_request_handler("completion/complete", t.CompleteRequestParams, complete)
    server.add_request_handler("logging/setLevel", t.SetLevelRequestParams, accept)


def is_of_tasks(middleware: Any) -> bool:  # noqa: ANN401
    return isinstance(getattr(middleware, "__self__", None), TaskExtension)


def described() -> list[t.Tool]:
    return [
        t.Tool(name=name, description=name, input_schema=dict(schema))
        for name, (schema, _) in TOOLS.items()
    ]


def main() -> int:
    """Serve with the settings of the environment and the flags `--name value`."""
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    given = iter(sys.argv[1:])
    flags = {
        name.removeprefix("--").replace("-", "_"): value
        for name, value in zip(given, given, strict=True)
    }
    settings = Settings.from_environ(os.environ, flags)

    async def locate() -> ApiTarget:
        raise NotImplementedError

    return serve_http(settings, locate, extend)


if __name__ == "__main__":
    sys.exit(main())
