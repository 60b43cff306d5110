"""Which headers pass between a client and an app, and which the gateway writes itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.types import Scope

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""As ASGI has them: lower-case names, in the order in which they came."""

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that concern one connection only; see RFC 9110, section 7.6.1."""

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
"""Headers that only the gateway can know the truth about."""

_NOT_TO_APP = HOP_BY_HOP | FORWARDED | {b"expect"}

_WITHOUT_BODY = frozenset({204, 304})
"""Statuses whose answers have no body, so that a length would promise what never comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHead:
    """A request up to its body, as it is written to the app."""

    written: bytes
    has_body: bool
    is_chunked: bool
    """Whether the body's length is not known before its end."""


def request_head(scope: Scope) -> RequestHead:
    """The request line and headers that the app gets."""
    headers: Headers = scope["headers"]
    values = dict(headers)
    chunked = b"transfer-encoding" in values
    dropped = _NOT_TO_APP | _named(headers) if b"connection" in values else _NOT_TO_APP
    lines = [b"%s: %s" % header for header in headers if header[0] not in dropped]
    lines += [b"%s: %s" % header for header in forwarded(scope, values)]
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    line = b"%s %s HTTP/1.1" % (scope["method"].encode(), request_target(scope))
    return RequestHead(
        written=b"\r\n".join([line, *lines, b"\r\n"]),
        has_body=chunked or values.get(b"content-length", b"0") != b"0",
        is_chunked=chunked,
    )


def request_target(scope: Scope) -> bytes:
    """Path and query as the client wrote them."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return b"%s?%s" % (path, query) if query else path


def forwarded(scope: Scope, values: Mapping[bytes, bytes]) -> Headers:
    """Who asked, for which host, by which protocol."""
    client = scope.get("client") or ("", 0)
    return [
        (b"x-forwarded-for", client[0].encode()),
        (b"x-forwarded-host", values.get(b"host", b"")),
        (b"x-forwarded-proto", b"https" if scope["scheme"] in {"https", "wss"} else b"http"),
    ]


def answer_headers(status: int, headers: Headers) -> Headers:
    """The headers of an app's answer that the client gets."""
    dropped = HOP_BY_HOP | _named(headers)
    if status in _WITHOUT_BODY:
        dropped |= {b"content-length"}
    return [header for header in headers if header[0] not in dropped]


def handshake_headers(scope: Scope) -> list[tuple[str, str]]:
    """The headers of a WebSocket's handshake that the app gets, without the handshake's own."""
    headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
    dropped = _NOT_TO_APP | _named(headers)
    passing = [h for h in headers if h[0] not in dropped and not h[0].startswith(b"sec-websocket-")]
    passing += forwarded(scope, dict(headers))
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in passing]


def _named(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The headers that `Connection` calls its own."""
    return frozenset(
        option.strip().lower()
        for name, value in headers
        if name == b"connection"
        for option in value.split(b",")
    )
