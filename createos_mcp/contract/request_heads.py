"""Request heads: what every HTTP server here holds the beginning of a request to."""

import http

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; nginx and h11 take no more either."""

VERSIONS = frozenset({"1.0", "1.1"})

_FRAMING_BYTES = 4
"""Of a header: the colon and space, and the line's end."""


class _RefusedHeadError(Exception):
    """A head is refused before anything else looks at it."""

    def __init__(self, status: http.HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class StrictHeadProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which alone bounds no head and takes a second Host.

    It answers 431 to a head of more than 64 kB, and 400 to one with two Hosts, or with none where
    there has to be one: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.
    """

    _head_bytes = 0
    _fed_bytes = 0
    _is_in_head = True
    _refusal: _RefusedHeadError | None = None

    @override
    def data_received(self, data: bytes) -> None:
        self._fed_bytes += len(data)
        super().data_received(data)
        # What the parser still gathers has been told to nobody.
        is_endless = self._is_in_head and self._fed_bytes > MAX_HEAD_BYTES
        if is_endless and not self.transport.is_closing():
            self._refusal = _too_large()
            self.send_400_response("")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._is_in_head = True

    @override
    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + _FRAMING_BYTES)
        # A trailer of a chunked body is no header: it comes after the request was routed.
        if self._is_in_head:
            super().on_header(name, value.strip(b" \t"))

    @override
    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            self._refuse(http.HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This is not HTTP/1.1.")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1:
            self._refuse(http.HTTPStatus.BAD_REQUEST, "The request has more than one Host header.")
        if not hosts and version == "1.1":
            self._refuse(http.HTTPStatus.BAD_REQUEST, "The request has no Host header.")
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            self._refuse(http.HTTPStatus.NOT_IMPLEMENTED, "Only chunked is taken as a coding.")
        self._is_in_head = False
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_head = True
        self._fed_bytes = 0

    @override
    def send_400_response(self, msg: str) -> None:
        refusal = self._refusal or _RefusedHeadError(http.HTTPStatus.BAD_REQUEST, msg)
        text = str(refusal).encode()
        lines = (
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(text)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode() + text)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = _too_large()
            raise self._refusal

    def _refuse(self, status: http.HTTPStatus, reason: str) -> None:
        self._refusal = _RefusedHeadError(status, reason)
        raise self._refusal


def _too_large() -> _RefusedHeadError:
    reason = f"The request line and headers have more than {MAX_HEAD_BYTES} bytes."
    return _RefusedHeadError(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
