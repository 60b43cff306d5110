"""A server for many callers as its operator starts it, and clients of it."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal, TypeAlias

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from createos_mcp.contract.values import Json
from tests.eras import HELLO, Era

Wire: TypeAlias = Literal["http", "sse"]

ID = "3f0c9a52-0000-4000-8000-000000000001"
KEY = "skp_top_secret"
PATIENCE_S = 30.0

MODULE = ("-m", "createos_mcp", "serve")

ACCEPT = {"Accept": "application/json, text/event-stream"}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server."""

    url: str
    """`http://127.0.0.1:<port>`, with the base path."""
    process: subprocess.Popen[str]
    log: IO[str]

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def log_text(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def calls(self) -> list[Json]:
        """The log's lines about calls."""
        lines = [json.loads(line) for line in self.log_text().splitlines()]
        return [line for line in lines if line["logger"] == "createos_mcp.calls"]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def served(
    api_url: str,
    *flags: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    program: tuple[str, ...] = MODULE,
) -> Iterator[Served]:
    """A server over an API, at a free port; it is gone in the end."""
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *program, "--serve-port", "0", "--api-url", api_url, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**others, **variables},
            cwd=Path(__file__).parent.parent.parent,
        )
        with process:
            try:
                assert process.stdout is not None
                words = process.stdout.readline().split()
                if not words:
                    log.seek(0)
                    raise AssertionError(log.read())
                url = words[4].removesuffix("/mcp")
                yield Served(url=url, process=process, log=log)
            finally:
                process.kill()


@asynccontextmanager
async def client_of(
    server: Served, headers: Mapping[str, str], *, wire: Wire = "http", era: Era = "auto"
) -> AsyncIterator[Client]:
    """A client that sends these headers with each request."""
    if wire == "sse":
        carrier_of = sse_client(f"{server.url}/sse", headers=dict(headers), timeout=PATIENCE_S)
        async with Client(carrier_of, mode=era) as one:
            yield one
        return
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=PATIENCE_S) as carrier,
        Client(
            streamable_http_client(f"{server.url}/mcp", http_client=carrier), mode=era
        ) as client,
    ):
        yield client


def message(method: str, params: Json = None, number: int = 1) -> Json:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def call(tool: str, era: Era = "legacy", **arguments: Json) -> Json:
    meta = {"_meta": MODERN_META} if era == "auto" else {}
    return message("tools/call", {"name": tool, "arguments": arguments, **meta})


HELLO_MESSAGE = message("initialize", HELLO)


MODERN = "2026-07-28"

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "by-hand", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}

carrier = httpx2.Client(timeout=PATIENCE_S, trust_env=False)
"""One for all messages by hand: making one takes longer than a call."""


def headers_for(body: Json, era: Era = "legacy") -> dict[str, str]:
    """What goes with a message: in the first era a session that is lost, unless it opens one."""
    if era == "auto":
        named = {"Mcp-Name": body["params"]["name"]} if "name" in body["params"] else {}
        version = {"MCP-Protocol-Version": MODERN, "Mcp-Method": body["method"]}
        return {**ACCEPT, **version, **named}
    session = {} if body.get("method") == "initialize" else {"Mcp-Session-Id": "lost"}
    return {**ACCEPT, **session}


def post(
    server: Served, body: Json, *, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """One message by hand, of the first era."""
    sent = {**headers_for(body), "X-Api-Key": KEY, **(headers or {})}
    return carrier.post(f"{server.url}/mcp", json=body, headers=sent)


def speak(server: Served, sent: bytes) -> bytes:
    """What the server says to these bytes until it closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)) as line:
        line.sendall(sent)
        heard = b""
        while piece := line.recv(65536):
            heard += piece
        return heard


def answer_in(response: httpx2.Response) -> Json:
    """The message in an answer, whether it is JSON or a stream."""
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return json.loads(lines[-1].removeprefix("data: ") if lines else response.text)
