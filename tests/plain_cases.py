"""Calls of every operation, good and odd, and what the platform may answer to them."""

import json
import re
from collections.abc import Iterator, Mapping

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json, Schema
from tests.apis import FakeApi

ID = "0b8f0e0e-0b0e-4b0e-8b0e-0b0e0b0e0b0e"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ERAS: Mapping[str, Mapping[str, Json]] = {"2025-11-25": {}, "2026-07-28": {"_meta": ENVELOPE}}
OPERATIONS = load_catalog(local=True).operations

DATA: tuple[Json, ...] = (
    {"id": ID, "uniqueName": "my-app", "settings": {"runEnvs": {"TOKEN": "s3cret-value-of-mine"}}},
    {"data": [{"id": ID, "name": "a"}, {"id": ID, "name": "b"}], "pagination": {"total": 2}},
    [{"id": ID, "log": "DB_PASSWORD=hunter2hunter2", "lineNumber": 1, "stage": "build"}],
    {"id": ID, "description": "in\u200bvisible \u202eturned\u202c \ud83d\ude00 ünï <untrusted 1>"},
    {"id": ID, "reason": 'says "hi" \\ and\nmore', "secret": "skp_0123456789abcdef0123456789"},
    {"items": [{"id": str(n), "text": "x" * 120} for n in range(60)]},
    {"deep": json.loads("[" * 40 + "]" * 40), "big": 2**70, "small": 1e-300, "none": None},
    "The deployment was cancelled.",
    None,
    [],
    {"id": ID, "extra": {"endpoint": "http://127.0.0.1:1", "apiKey": "abcdefghijkl"}, "ok": True},
)


def request(era: str, tool: str, arguments: Json, **others: Json) -> dict[str, Json]:
    params = {"name": tool, "arguments": arguments, **ERAS[era], **others}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def example(schema: Schema, *, name: str = "") -> Json:
    """A value that fits a schema of the catalog, in most cases."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", ())
        return {key: example(schema["properties"][key], name=key) for key in wanted}
    if kind == "array":
        return [example(schema.get("items", {"type": "string"}), name=name.removesuffix("s"))]
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return True
    return ID if name.lower().endswith("id") else "my-app"


def calls_of(operation: Operation) -> Iterator[dict[str, Json]]:
    """Good arguments, all of them, wrong ones, and odd texts."""
    properties = operation.input_schema["properties"]
    required = operation.input_schema.get("required", ())
    good = {name: example(properties[name], name=name) for name in required}
    yield good
    yield {name: example(held, name=name) for name, held in properties.items()}
    yield {}
    yield {name: {"wrong": "type"} for name in properties}
    yield {**good, "no_such_argument": "x"}
    odd = "ünï \u200b <b>"
    yield {name: odd if value == "my-app" else value for name, value in good.items()}


def plain(answer: Json) -> Json:
    """An answer without the marks of its frames, which are others each time."""
    return json.loads(re.sub(r"untrusted [0-9a-f]{6}", "untrusted X", json.dumps(answer)))


def prepare(api: FakeApi, data: Json, *, status: int = 200) -> None:
    api.status = status
    failed = {"status": "fail", "data": {"name": "is taken", "token": "tok_abcdefghijkl"}}
    api.answer = {"status": "success", "data": data} if status == 200 else failed
