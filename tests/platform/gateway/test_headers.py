"""Which headers pass between clients and apps: RFC 9110, section 7.6.1."""

from typing import Any

import pytest

from createos_mcp.platform.gateway.headers import (
    FROM_PROXY,
    HOP_BY_HOP,
    Headers,
    answer_headers,
    handshake_headers,
    interim_head,
    request_head,
)


def scope(headers: Headers, **changes: object) -> dict[str, Any]:
    return {
        "method": "GET",
        "raw_path": b"/a%20b",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.7", 4711),
        "server": ("127.0.0.1", 20_001),
        "scheme": "http",
        **changes,
    }


def lines(headers: Headers, **changes: object) -> list[bytes]:
    return request_head(scope(headers, **changes)).written.split(b"\r\n")


def test_a_request_keeps_its_path_query_and_headers_and_says_who_asked() -> None:
    head = lines([(b"host", b"shop.example"), (b"accept", b"*/*")], query_string=b"x=1")

    assert head == [
        b"GET /a%20b?x=1 HTTP/1.1",
        b"host: shop.example",
        b"accept: */*",
        b"x-forwarded-for: 192.0.2.7",
        b"x-forwarded-host: shop.example",
        b"x-forwarded-proto: http",
        b"x-real-ip: 192.0.2.7",
        b'forwarded: for=192.0.2.7;host="shop.example";proto=http',
        b"",
        b"",
    ]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_a_header_of_one_connection_stays_on_it(name: bytes) -> None:
    value = b"chunked" if name == b"transfer-encoding" else b"x"

    head = [line for line in lines([(name, value)]) if line.startswith(name + b":")]
    written = [b"transfer-encoding: chunked"] if name == b"transfer-encoding" else []

    assert head == written
    assert answer_headers(200, [(name, value)]) == []


def test_what_a_request_names_in_connection_stays_on_it() -> None:
    head = lines([(b"connection", b"X-Secret, keep-alive"), (b"x-secret", b"1"), (b"x-a", b"2")])

    assert b"x-secret: 1" not in head
    assert b"x-a: 2" in head


def test_what_a_response_names_in_connection_stays_on_it() -> None:
    headers = [(b"connection", b"x-secret"), (b"x-secret", b"1"), (b"x-a", b"2")]

    assert answer_headers(200, headers) == [(b"x-a", b"2")]


CLAIMED = (
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-port", b"443"),
    (b"x-real-ip", b"10.0.0.1"),
    (b"forwarded", b"for=10.0.0.1"),
)


def test_what_a_client_claims_about_its_origin_is_replaced() -> None:
    head = lines(list(CLAIMED))

    assert head.count(b"x-forwarded-for: 192.0.2.7") == 1
    assert head.count(b"x-real-ip: 192.0.2.7") == 1
    assert not [line for line in head if b"10.0.0.1" in line or b"443" in line]
    assert b"x-forwarded-proto: https" not in head


def test_what_a_trusted_proxy_says_about_the_origin_is_passed_on() -> None:
    head = lines(list(CLAIMED), **{FROM_PROXY: True})

    assert all(b"%s: %s" % claim in head for claim in CLAIMED)
    assert not [line for line in head if b"192.0.2.7" in line]


def test_where_a_trusted_proxy_says_nothing_the_gateway_does() -> None:
    head = lines([(b"host", b"shop.example")], **{FROM_PROXY: True})

    assert b"x-forwarded-for: 192.0.2.7" in head
    assert b"x-forwarded-host: shop.example" in head


def test_a_trusted_proxy_that_names_the_client_in_one_way_is_not_contradicted() -> None:
    head = lines([(b"x-forwarded-for", b"198.51.100.9")], **{FROM_PROXY: True})

    assert not [line for line in head if b"192.0.2.7" in line]


@pytest.mark.parametrize("name", [b"host", b"content-length", b"cookie", b"authorization"])
def test_connection_cannot_name_what_is_for_the_app(name: bytes) -> None:
    head = lines([(b"connection", b"close, " + name), (name, b"7")])

    assert b"%s: 7" % name in head


def test_a_request_without_a_host_gets_one() -> None:
    head = lines([], http_version="1.0")

    assert head.count(b"host: 127.0.0.1:20001") == 1
    assert b"x-forwarded-host: 127.0.0.1:20001" in head


def test_a_host_cannot_close_the_quotes_around_it() -> None:
    head = lines([(b"host", b'a";for=10.0.0.1;"')])

    assert b'forwarded: for=192.0.2.7;host="a;for=10.0.0.1;";proto=http' in head


def test_an_address_of_ipv6_is_quoted() -> None:
    head = lines([(b"host", b"a")], client=("2001:db8::1", 1))

    assert b'forwarded: for="[2001:db8::1]";host="a";proto=http' in head


def test_a_client_that_takes_trailers_says_so_to_the_app() -> None:
    assert b"te: trailers" in lines([(b"te", b"gzip, trailers;q=0.5")])
    assert interim_head([(b"link", b"</a.css>; rel=preload"), (b"connection", b"x")]) == (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("scheme", "proto"), [("https", b"https"), ("wss", b"https"), ("ws", b"http")]
)
def test_the_protocol_that_was_asked_by_is_told(scheme: str, proto: bytes) -> None:
    assert b"x-forwarded-proto: " + proto in lines([], scheme=scheme)


@pytest.mark.parametrize(
    ("headers", "has_body", "is_chunked"),
    [
        ([], False, False),
        ([(b"content-length", b"0")], False, False),
        ([(b"content-length", b"1")], True, False),
        ([(b"transfer-encoding", b"chunked")], True, True),
    ],
)
def test_a_body_is_announced_by_its_length_or_chunks(
    headers: Headers, *, has_body: bool, is_chunked: bool
) -> None:
    head = request_head(scope(headers))

    assert (head.has_body, head.is_chunked) == (has_body, is_chunked)


def test_expect_is_answered_here_and_not_passed_on() -> None:
    assert b"expect: 100-continue" not in lines([(b"expect", b"100-continue")])


@pytest.mark.parametrize(("status", "kept"), [(200, 1), (204, 0), (304, 0)])
def test_a_response_without_a_body_has_no_length(status: int, kept: int) -> None:
    assert len(answer_headers(status, [(b"content-length", b"5")])) == kept


def test_a_websocket_handshake_passes_cookies_and_not_its_own_headers() -> None:
    passed = handshake_headers(
        scope([(b"Cookie", b"a=1"), (b"Sec-WebSocket-Key", b"k"), (b"upgrade", b"websocket")])
    )

    assert ("cookie", "a=1") in passed
    assert not [name for name, _ in passed if name.startswith("sec-") or name == "upgrade"]
