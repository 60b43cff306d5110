"""The envelope: what an HTTP answer of the API says, whichever of its forms it is in."""

import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from createos_mcp.contract.errors import ApiError, UnreadableResponseError
from createos_mcp.contract.http import Endpoint
from createos_mcp.contract.values import Json

_ENVELOPE_MEMBERS = frozenset(
    {"status", "success", "data", "message", "error", "errors", "code", "details", "statusCode"}
)
"""Members of an envelope. A record may have a `status` too, but always others beside these."""

_SUCCESSES = range(200, 300)
_FAILED = frozenset({"fail", "error"})
_FIELD_NAMES = ("field", "path", "name", "param")
_FIELD_TEXTS = ("message", "msg", "reason", "error")

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_UNSHOWN = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_PAGE_CHARACTERS = 20_000
"""How much of an error page is searched for its text."""


def _read_number(text: str) -> float | None:
    """A number with a fraction or exponent; None for one that is too large, `1e999`."""
    number = float(text)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_read_number)
"""NaN and the infinities, which are no JSON, become null."""


def read_response(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], content: bytes
) -> Json:
    """Take the data out of an answer.

    Successes are `{"status": "success", "data": ...}`, `{"success": true, "data": ...}` or bare.
    Failures are `{"status": "fail" | "error", "data": "..." | {...}}`,
    `{"success": false, "message": "..."}`, `{"error": {"code", "message", "details"}}`,
    `{"error": "..."}` or no JSON at all, under any HTTP status.

    Args:
        endpoint: Its `empty_on` is the status by which a list says that it is empty.
        status: HTTP status.
        headers: By lower-case name, or a mapping that ignores case.
        content: The complete body.

    Returns:
        The data; None for an empty body.

    Raises:
        ApiError: The answer is a failure.
        UnreadableAnswerError: The status is a success but the body is no JSON.
    """
    if status == endpoint.empty_on:
        return []
    succeeded = status in _SUCCESSES
    text = content.decode("utf-8-sig", errors="replace").strip()
    try:
        body = _DECODER.decode(text) if text else None
    except (ValueError, RecursionError) as error:
        if succeeded:
            return _plain_text(status, headers, text, error)
        raise ApiError(status, _page_text(text), retry_after_s=retry_after_s(headers)) from error
    if not succeeded or _is_failure(body):
        raise _api_error(status, headers, body)
    return _unwrap_data(body)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait, given in seconds or as a date.

    A date is compared with the answer's own `Date`, so that a wrong clock here does no harm
    (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    until = _date(value)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _plain_text(status: int, headers: Mapping[str, str], text: str, error: Exception) -> str:
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "text/plain":
        return text
    raise UnreadableResponseError(status, f"not JSON: {_page_text(text)[:200]}") from error


def _page_text(text: str) -> str:
    """The title of an HTML page, or its text; other texts as they are."""
    page = text[:_PAGE_CHARACTERS]
    if not page.lstrip().startswith("<"):
        return page
    title = _TITLE.search(page)
    shown = title[1] if title and title[1].strip() else _UNSHOWN.sub(" ", page)
    return " ".join(html.unescape(shown).split())


def _is_failure(body: Json) -> bool:
    if not isinstance(body, dict):
        return False
    if isinstance(body.get("success"), bool):
        return not body["success"]
    if body.keys() - _ENVELOPE_MEMBERS:
        return False
    return body.get("status") in _FAILED or bool(body.get("error") and "data" not in body)


def _unwrap_data(body: Json) -> Json:
    if not isinstance(body, dict):
        return body
    if body.get("success") is not True and body.get("status") != "success":
        return body
    if "data" in body:
        return body["data"]
    if body.keys() <= _ENVELOPE_MEMBERS:
        return body.get("message")
    return body


def _api_error(status: int, headers: Mapping[str, str], body: Json) -> ApiError:
    fields = dict(_failure_fields(body))
    message = _message(body) or ("; ".join(f"{k}: {v}" for k, v in fields.items()))
    return ApiError(
        status,
        message or ("" if body is None else json.dumps(body, ensure_ascii=False)),
        retry_after_s=retry_after_s(headers),
        fields=fields,
        body=body,
    )


def _message(body: Json) -> str:
    """The first of `message`, `data`, `error.message` and `error` that is a text."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else ""
    error, data = body.get("error"), body.get("data")
    candidates = (
        body.get("message"),
        data,
        data.get("message") if isinstance(data, dict) else None,
        error.get("message") if isinstance(error, dict) else None,
        error,
    )
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _failure_fields(body: Json) -> Iterator[tuple[str, str]]:
    """What a failure says about single fields.

    `{"data": {"name": "is taken"}}` or
    `{"error": {"details": [{"field": "port", "message": "is too large"}]}}`
    """
    if not isinstance(body, dict):
        return
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for holder in (body.get("data"), body.get("errors"), body.get("details"), details):
        if isinstance(holder, dict):
            yield from ((k, _field_text(v)) for k, v in holder.items() if k != "message")
        elif isinstance(holder, list):
            yield from (
                row for item in holder if isinstance(item, dict) for row in _field_row(item)
            )


def _field_row(item: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    name = next((item[key] for key in _FIELD_NAMES if isinstance(item.get(key), str)), None)
    text = next((item[key] for key in _FIELD_TEXTS if isinstance(item.get(key), str)), None)
    if name and text:
        yield name, text


def _field_text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False)
