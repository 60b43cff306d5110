"""The greeting: a client's first request, answered from a kept file before the SDK is imported.

The SDK takes most of a start to import. `initialize` and `server/discover` have the same answer in
every session, which `greetings.json` holds; the SDK answers them once more when it is there, so
that it knows the session, and that answer is not sent.
"""

import json
import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from createos_mcp.contract.values import Json

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"

LONGEST_BYTES = 16 * 1024
"""What is read before the SDK is there; a longer first line is left to it."""

_ANSWERS = Path(__file__).with_name("greetings.json")

_SUSPECT = (b"NaN", b"Infinity")
_BRACKETS = 50
"""More than any client sends; what is nested deeper is the SDK's to refuse."""

_CLIENT_MEMBERS = frozenset({"name", "title", "version", "websiteUrl", "description"})
_CAPABILITY_PARTS: Mapping[str, frozenset[str]] = {
    "sampling": frozenset({"context", "tools"}),
    "elicitation": frozenset({"form", "url"}),
}
_OPEN_CAPABILITIES = frozenset({"experimental", "extensions"})

_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_OPENING = frozenset({"protocolVersion", "capabilities", "clientInfo"})
_META = "io.modelcontextprotocol/"
VERSION = f"{_META}protocolVersion"
_CLIENT, _CAPABILITIES = f"{_META}clientInfo", f"{_META}clientCapabilities"
_SERVER = f"{_META}serverInfo"


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
    message = _read(line)
    if message is None:
        return None
    given_id, method, params = message["id"], message["method"], message["params"]
    if method == "initialize" and _is_opening(params):
        result = _kept(method)
        result["protocolVersion"] = params["protocolVersion"]
        info = result["serverInfo"]
    elif method == "server/discover" and _is_discovery(params):
        result = _kept(method)
        info = result["_meta"][_SERVER]
    else:
        return None
    info["version"] = version("createos-mcp")
    result["instructions"] = instructions
    return {"jsonrpc": "2.0", "id": given_id, "result": result}


def _read(line: bytes) -> dict[str, Json] | None:
    """A request that nobody would mend or refuse."""
    if any(sign in line for sign in _SUSPECT) or line.count(b"{") + line.count(b"[") > _BRACKETS:
        return None
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.keys() != _MEMBERS or message["jsonrpc"] != "2.0":
        return None
    given_id = message["id"]
    is_plain = type(given_id) in {str, int} and str(given_id).isascii()
    return message if is_plain and isinstance(message["params"], dict) else None


def _kept(method: str) -> dict[str, Json]:
    answers: dict[str, dict[str, Json]] = json.loads(_ANSWERS.read_text(encoding="utf-8"))
    return answers[method]


def _is_opening(params: Mapping[str, Json]) -> bool:
    return (
        params.keys() == _OPENING
        and params["protocolVersion"] in HANDSHAKE_VERSIONS
        and _is_client(params["clientInfo"], params["capabilities"])
    )


def _is_discovery(params: Mapping[str, Json]) -> bool:
    return params.keys() == {"_meta"} and is_envelope(params["_meta"])


def is_envelope(meta: Json) -> bool:
    """Whether a modern request's `_meta` says who asks, in the ordinary way, and nothing else."""
    return (
        isinstance(meta, dict)
        and meta.keys() == {VERSION, _CLIENT, _CAPABILITIES}
        and meta[VERSION] == MODERN_VERSION
        and _is_client(meta[_CLIENT], meta[_CAPABILITIES])
    )


def _is_client(info: Json, capabilities: Json) -> bool:
    """Whether a client says who it is in the ordinary way, so that the SDK would not refuse it."""
    return (
        isinstance(info, dict)
        and {"name", "version"} <= info.keys() <= _CLIENT_MEMBERS
        and all(isinstance(value, str) for value in info.values())
        and isinstance(capabilities, dict)
        and all(_is_capability(name, held) for name, held in capabilities.items())
    )


def _is_capability(name: str, held: Json) -> bool:
    if not isinstance(held, dict):
        return False
    if name == "roots":
        return held.keys() <= {"listChanged"} and all(type(one) is bool for one in held.values())
    parts = _CAPABILITY_PARTS.get(name)
    if parts is None:
        return name in _OPEN_CAPABILITIES and all(isinstance(one, dict) for one in held.values())
    return held.keys() <= parts and all(one == {} for one in held.values())
