"""Ordinary requests: JSON-RPC requests that nobody would mend or refuse, read without the SDK.

What is unusual, or only in doubt, is left to `messages` and to the SDK.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.contract.values import Json

MODERN_VERSION = "2026-07-28"
"""The protocol version whose requests each say who asks, in `_meta`."""

_META = "io.modelcontextprotocol/"
VERSION = f"{_META}protocolVersion"
CLIENT = f"{_META}clientInfo"
CAPABILITIES = f"{_META}clientCapabilities"
SERVER = f"{_META}serverInfo"
ENVELOPE = frozenset({VERSION, CLIENT, CAPABILITIES})
"""The members of a modern request's `_meta`."""

_SUSPECT = (b"NaN", b"Infinity", b"\\u", b"\xed")
"""What `messages` mends or refuses: numbers that JSON has not, halves of characters."""

_MOST_BRACKETS = 200
"""Nothing is nested deeper than it has brackets."""

_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_CLIENT_MEMBERS = frozenset({"name", "title", "version", "websiteUrl", "description"})
_CAPABILITY_PARTS: Mapping[str, frozenset[str]] = {
    "sampling": frozenset({"context", "tools"}),
    "elicitation": frozenset({"form", "url"}),
}
_OPEN_CAPABILITIES = frozenset({"experimental", "extensions"})


@dataclass(frozen=True, slots=True)
class OrdinaryRequest:
    """A request that was read from a message; without `params` they are empty."""

    id: str | int
    method: str
    params: Mapping[str, Json]


def read_request(raw: bytes) -> OrdinaryRequest | None:
    """The request in a message; None where it is not an ordinary one."""
    if not raw.startswith(b"{") or raw.count(b"[") + raw.count(b"{") > _MOST_BRACKETS:
        return None
    if any(sign in raw for sign in _SUSPECT):
        return None
    try:
        message = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not message.keys() <= _MEMBERS:
        return None
    given_id, method, params = message.get("id"), message.get("method"), message.get("params", {})
    if (
        message.get("jsonrpc") != "2.0"
        or not isinstance(given_id, str | int)
        or isinstance(given_id, bool)
        or not str(given_id).isascii()
        or not isinstance(method, str)
        or not isinstance(params, dict)
    ):
        return None
    return OrdinaryRequest(given_id, method, params)


def is_envelope(meta: Json) -> bool:
    """Whether a modern request's `_meta` says who asks, in the ordinary way, and nothing else."""
    return (
        isinstance(meta, dict)
        and meta.keys() == ENVELOPE
        and meta[VERSION] == MODERN_VERSION
        and is_client(meta[CLIENT], meta[CAPABILITIES])
    )


def is_client(info: Json, capabilities: Json) -> bool:
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
