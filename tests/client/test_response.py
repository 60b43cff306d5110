"""The envelope: every form in which the API says yes or no is understood."""

import json

import pytest

from createos_mcp.client.response import read_response, retry_after_s
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import ApiError, UnreadableResponseError
from createos_mcp.contract.quotation import MESSAGE_BYTES
from createos_mcp.contract.values import Json

OPERATIONS = load_catalog().operations
ENDPOINT = OPERATIONS["GetProject"].http
PAGE = {"data": [{"id": "1"}], "pagination": {"total": 1, "limit": 10, "offset": 0, "count": 1}}
HTML = {"content-type": "text/html"}


def _read(status: int, body: Json, headers: dict[str, str] | None = None) -> Json:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_response(ENDPOINT, status, headers or {}, content)


SUCCESSES = [
    ("JSend", {"status": "success", "data": {"id": "1"}}, {"id": "1"}),
    ("success flag", {"success": True, "data": PAGE}, PAGE),
    ("bare object", {"overallRequests": {}, "rpm": {}}, {"overallRequests": {}, "rpm": {}}),
    ("bare array", [{"type": "runtime"}], [{"type": "runtime"}]),
    ("bare page", PAGE, PAGE),
    ("bare string", "done", "done"),
    ("data null", {"success": True, "data": None}, None),
    ("message alone", {"success": True, "message": "Deleted"}, "Deleted"),
    ("flag alone", {"success": True}, None),
    ("error null", {"success": True, "data": 7, "error": None}, 7),
    ("record in error", {"id": "1", "status": "error"}, {"id": "1", "status": "error"}),
    ("failed scan", {"id": "1", "status": "failed"}, {"id": "1", "status": "failed"}),
    (
        "successful scan",
        {"id": "1", "status": "success", "tool": "x"},
        {"id": "1", "status": "success", "tool": "x"},
    ),
    (
        "record in error within an envelope",
        {"success": True, "data": {"status": "error"}},
        {"status": "error"},
    ),
]


@pytest.mark.parametrize(
    ("body", "data"), [row[1:] for row in SUCCESSES], ids=[row[0] for row in SUCCESSES]
)
def test_the_data_is_taken_out_of_every_success(body: Json, data: Json) -> None:
    assert _read(200, body) == data


FAILURES = [
    ("fail", {"status": "fail", "data": "name is taken"}, "name is taken"),
    ("error", {"status": "error", "message": "boom"}, "boom"),
    ("flag", {"success": False, "message": "no such project"}, "no such project"),
    ("flag and more", {"success": False, "message": "no", "requestId": "r1"}, "no"),
    ("error object", {"error": {"code": "X", "message": "bad", "details": None}}, "bad"),
    ("error string", {"error": "unauthorized"}, "unauthorized"),
    ("message in data", {"status": "fail", "data": {"message": "too big"}}, "too big"),
    ("fields", {"status": "fail", "data": {"port": "is too large"}}, "port: is too large"),
    ("message first", {"success": False, "message": "a", "data": "b", "error": "c"}, "a"),
]


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    ("body", "message"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_the_message_is_found_in_every_failure(
    status: int, body: dict[str, Json], message: str
) -> None:
    with pytest.raises(ApiError) as caught:
        _read(status, body)

    assert (caught.value.status, caught.value.message) == (status, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": "1", "name": "x"}, '{"id": "1", "name": "x"}'),
        (["a"], '["a"]'),
        ("nope", "nope"),
        (b"", ""),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>x", "502 Bad Gateway"),
        (b"<html><style>p{}</style><body><h1>Down</h1><p>Try later</p>", "Down Try later"),
        (b"\xff\xfe", "��"),
    ],
    ids=["object", "array", "string", "empty", "text", "title", "html", "bytes"],
)
def test_a_failure_in_no_known_form_still_says_what_came(
    body: Json,
    message: str,
) -> None:
    with pytest.raises(ApiError) as caught:
        _read(502, body, HTML)

    assert caught.value.message == message


FIELDS = [
    {"status": "fail", "data": {"port": "too large", "name": ["taken", "short"]}},
    {"success": False, "message": "bad", "errors": {"port": "too large", "name": "taken; short"}},
    {
        "error": {
            "message": "bad",
            "details": [
                {"field": "port", "message": "too large"},
                {"path": "name", "msg": "taken; short"},
                "ignored",
                {"other": 1},
            ],
        }
    },
]


@pytest.mark.parametrize("body", FIELDS, ids=["data", "errors", "details"])
def test_what_is_said_about_fields_is_kept(body: dict[str, Json]) -> None:
    with pytest.raises(ApiError) as caught:
        _read(400, body)

    assert caught.value.fields == {"port": "too large", "name": "taken; short"}


def test_an_empty_answer_has_no_data() -> None:
    assert _read(204, b"") is None


def test_a_byte_order_mark_is_skipped() -> None:
    assert _read(200, b'\xef\xbb\xbf{"success":true,"data":1}') == 1


def test_numbers_that_json_has_not_are_null() -> None:
    assert _read(200, b'{"success":true,"data":[NaN,Infinity]}') == [None, None]


def test_large_integers_are_kept_exactly() -> None:
    assert _read(200, {"success": True, "data": 2**63 + 1}) == 2**63 + 1


def test_plain_text_is_an_answer_of_its_own() -> None:
    assert _read(200, b"line 1\nline 2", {"content-type": "text/plain; charset=utf-8"}) == (
        "line 1\nline 2"
    )


@pytest.mark.parametrize(
    "content",
    [b"<html><title>Welcome</title></html>", b'{"data": ', b"[" * 100_000],
    ids=["page", "broken", "deep"],
)
def test_a_success_that_is_no_json_cannot_be_read(content: bytes) -> None:
    with pytest.raises(UnreadableResponseError, match="HTTP 200") as caught:
        _read(200, content, HTML)

    assert caught.value.status == 200
    assert len(str(caught.value)) < 400


def test_a_list_may_be_empty_by_status() -> None:
    endpoint = OPERATIONS["ListAPIKeys"].http

    assert read_response(endpoint, 404, {}, b'{"success":false,"message":"no keys"}') == []


def test_a_message_is_bounded_and_visible() -> None:
    body = {"success": False, "message": "a\x00\x1b[31m\u202eb\ud800" + "é" * 5_000}

    with pytest.raises(ApiError) as caught:
        _read(400, body)

    assert caught.value.message.startswith("a[31mbé")
    assert len(caught.value.message.encode()) <= MESSAGE_BYTES


DATE = "Tue, 24 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:01:30 GMT", "date": DATE}, 90.0),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:01:30 -0000", "date": DATE}, 90.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
    ],
    ids=range(10),
)
def test_the_pause_that_the_server_asks_for_is_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds


def test_what_is_said_about_a_field_may_be_any_json() -> None:
    with pytest.raises(ApiError) as caught:
        _read(400, {"status": "fail", "data": {"port": {"max": 65535}}})

    assert caught.value.fields == {"port": '{"max": 65535}'}
