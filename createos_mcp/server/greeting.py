"""The greeting: a client's first request, answered from a kept file before the SDK is imported.

The SDK takes most of a start to import. `initialize` and `server/discover` have the same answer in
every session, which `greetings.json` holds; the SDK answers them once more when a session of it is
needed, so that it knows who asks, and that answer is not sent.
"""

import json
import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.server.identity import server_info
from createos_mcp.server.ordinary_requests import SERVER, is_client, is_envelope, read_request

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

LONGEST_BYTES = 16 * 1024
"""What is read before the SDK is there; a longer first line is left to it."""

_ANSWERS = Path(__file__).with_name("greetings.json")

_OPENING = frozenset({"protocolVersion", "capabilities", "clientInfo"})


@dataclass(frozen=True, slots=True)
class Greeting:
    """What was read before the SDK was there, and which request of it is answered already."""

    read: bytes = b""
    answered: str | int | None = None


def greet(reading: int, writing: int, instructions: str) -> Greeting:
    """Read a client's first line and answer it, where it is an ordinary greeting.

    Args:
        reading: A descriptor of a pipe or a socket; what is read from it is returned.
        writing: The descriptor for the answer.
        instructions: What the server tells a model at its beginning.

    Raises:
        OSError: The client is gone.
    """
    read = b""
    while b"\n" not in read and len(read) < LONGEST_BYTES:
        _wait(reading, select.POLLIN)
        piece = os.read(reading, LONGEST_BYTES)
        if not piece:
            break
        read += piece
    line, ended, _ = read.partition(b"\n")
    answer = answer_greeting(line, instructions) if ended else None
    if answer is None:
        return Greeting(read)
    rest = memoryview(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    while rest:
        _wait(writing, select.POLLOUT)
        rest = rest[os.write(writing, rest[: select.PIPE_BUF]) :]
    return Greeting(read, answer["id"])


def _wait(descriptor: int, event: int) -> None:
    """Wait for a descriptor, which somebody may have made one that does not block."""
    ready = select.poll()
    ready.register(descriptor, event)
    ready.poll()


def answer_greeting(line: bytes, instructions: str) -> dict[str, Json] | None:
    """The answer to a first line; None where the SDK has to see it first."""
    request = read_request(line)
    if request is None:
        return None
    if request.method == "initialize" and _is_opening(request.params):
        result = _kept(request.method)
        result["protocolVersion"] = request.params["protocolVersion"]
        result["serverInfo"] = server_info()
    elif request.method == "server/discover" and _is_discovery(request.params):
        result = _kept(request.method)
        result["_meta"] = {SERVER: server_info()}
    else:
        return None
    result["instructions"] = instructions
    return {"jsonrpc": "2.0", "id": request.id, "result": result}


def _kept(method: str) -> dict[str, Json]:
    answers: dict[str, dict[str, Json]] = json.loads(_ANSWERS.read_text(encoding="utf-8"))
    return answers[method]


def _is_opening(params: Mapping[str, Json]) -> bool:
    return (
        params.keys() == _OPENING
        and params["protocolVersion"] in HANDSHAKE_VERSIONS
        and is_client(params["clientInfo"], params["capabilities"])
    )


def _is_discovery(params: Mapping[str, Json]) -> bool:
    return params.keys() == {"_meta"} and is_envelope(params["_meta"])
