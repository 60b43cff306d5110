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
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that concern one connection only; see RFC 9110, section 7.6.1."""

ORIGIN = frozenset({b"forwarded", b"x-real-ip"})
"""Headers that, like every `X-Forwarded-`, only the gateway can know the truth about."""

FROM_PROXY = "createos.from_proxy"
"""The name in a scope that says that a trusted proxy sent the request."""

EARLY_HINTS = 103

_NOT_TO_APP = HOP_BY_HOP | {b"expect", b"host", b"trailer"}

_END_TO_END = frozenset({b"host", b"content-length", b"content-type", b"authorization", b"cookie"})
"""Headers that `Connection` cannot call its own, since they are for the app:
https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1."""

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
    lines = [b"host: %s" % host_of(scope, values)]
    lines += [b"%s: %s" % h for h in headers if h[0] not in dropped and not _tells_origin(h[0])]
    lines += [b"%s: %s" % header for header in origin_headers(scope, values)]
    if b"trailers" in values.get(b"te", b"").lower():
        lines.append(b"te: trailers")
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


def host_of(scope: Scope, values: Mapping[bytes, bytes]) -> bytes:
    """The host that was asked for; clients of HTTP/1.0 need not name it."""
    named = values.get(b"host")
    if named:
        return named
    host, port = scope["server"]
    return f"{host}:{port}".encode()


def origin_headers(scope: Scope, values: Mapping[bytes, bytes]) -> Headers:
    """Who asked, for which host, by which protocol: as a trusted proxy says, or as is seen here."""
    address = (scope.get("client") or ("", 0))[0]
    host = host_of(scope, values)
    protocol = b"https" if scope["scheme"] in {"https", "wss"} else b"http"
    node = f'"[{address}]"' if ":" in address else address
    seen = {
        b"x-forwarded-for": address.encode(),
        b"x-forwarded-host": host,
        b"x-forwarded-proto": protocol,
        b"x-real-ip": address.encode(),
        b"forwarded": b'for=%s;host="%s";proto=%s' % (node.encode(), _quotable(host), protocol),
    }
    if not scope.get(FROM_PROXY):
        return list(seen.items())
    told = {name: value for name, value in values.items() if _tells_origin(name)}
    if told.keys() & {b"forwarded", b"x-forwarded-for", b"x-real-ip"}:
        # One way of saying it must not contradict the other.
        seen = {name: seen[name] for name in (b"x-forwarded-host", b"x-forwarded-proto")}
    return list({**seen, **told}.items())


def answer_headers(status: int, headers: Headers) -> Headers:
    """The headers of an app's answer that the client gets."""
    dropped = HOP_BY_HOP | _named(headers)
    if status in _WITHOUT_BODY:
        dropped |= {b"content-length"}
    return [header for header in headers if header[0] not in dropped]


def handshake_headers(scope: Scope) -> list[tuple[str, str]]:
    """The headers of a WebSocket's handshake that the app gets, without the handshake's own."""
    headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
    values = dict(headers)
    dropped = _NOT_TO_APP | _named(headers)
    passing = [h for h in headers if h[0] not in dropped and not _is_ours(h[0])]
    passing += [(b"host", host_of(scope, values)), *origin_headers(scope, values)]
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in passing]


def interim_head(headers: Headers) -> bytes:
    """Early hints of an app, as they are written to the client: RFC 8297."""
    lines = [b"%s: %s" % header for header in answer_headers(EARLY_HINTS, headers)]
    return b"\r\n".join([b"HTTP/1.1 103 Early Hints", *lines, b"\r\n"])


def _quotable(host: bytes) -> bytes:
    return host.replace(b"\\", b"").replace(b'"', b"")


def _tells_origin(name: bytes) -> bool:
    return name in ORIGIN or name.startswith(b"x-forwarded-")


def _is_ours(name: bytes) -> bool:
    return name.startswith(b"sec-websocket-") or _tells_origin(name)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The headers that `Connection` calls its own."""
    return (
        frozenset(
            option.strip().lower()
            for name, value in headers
            if name == b"connection"
            for option in value.split(b",")
        )
        - _END_TO_END
    )
