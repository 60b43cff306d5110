"""What the API makes of requests that no good client sends: 400, never a fault of the platform."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from createos_mcp.calls.binding import bind
from createos_mcp.contract.values import Json
from createos_mcp.platform.api.requests import MAX_BODY_BYTES
from tests.platform.belongings import CALLS, belongings, with_ids
from tests.platform.platforms import Api, running_platform

DEEP = json.loads('{"a":' * 500 + "1" + "}" * 500)
HOSTILE_VALUES: list[Json] = [
    "\ud800", "a\0b", "", "\u202e", "x" * 100_000, 10**30, -1, 1.5, 1e308, True, None, [], {}, DEEP,
    {"\ud800": "\ud800"}, {"a": "\0"}, ["\ud800"],
]  # fmt: skip
HOSTILE_TEXTS = [
    "",
    "\0",
    "\ud83d",
    "9" * 30,
    "-" + "9" * 30,
    "9" * 5_000,
    "1e3",
    "²",
    " 1",
    "True",
]


async def test_no_value_of_any_argument_makes_the_platform_fail(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        owned = await belongings(api, "owned")
        for operation, arguments in CALLS:
            if operation.annotations.destructive:
                continue
            request = bind(operation, with_ids(arguments, owned))
            for body in spoilt(request.json):
                status = await post(api, request.method, request.path, json.dumps(body))
                assert status < 500, (operation.name, body)
            for name, _ in request.query:
                for text in HOSTILE_TEXTS:
                    query = f"?{name}={quote(text, errors='surrogatepass')}"
                    status = await post(api, request.method, request.path + query, "")
                    assert status < 500, (operation.name, query)


def spoilt(body: Json) -> Iterator[Json]:
    """The body with one hostile value in each place in turn."""
    for name in body or ():
        for value in HOSTILE_VALUES:
            yield {**body, name: value}
        if isinstance(body[name], dict):
            yield from ({**body, name: inner} for inner in spoilt(body[name]))


async def post(api: Api, method: str, path: str, body: str) -> int:
    headers = {"content-type": "application/json"}
    answer = await api.client.request(method, path, content=body.encode(), headers=headers)
    assert answer.json()["status"] in {"success", "fail"}
    return answer.status_code


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (rb'{"displayName": "\ud83d"}', "half of a surrogate pair"),
        (b'{"displayName": "\xed\xa0\xbd"}', "utf-8"),
        (b'{"displayName": NaN}', "NaN"),
        (b'{"displayName": 1e999}', "1e999"),
        (b'{"displayName": ' + b"9" * 5_000 + b"}", "digits"),
    ],
)
async def test_json_that_cannot_be_kept_is_400_and_says_why(
    body: bytes, named: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        headers = {"content-type": "application/json"}
        status, message = await api.request("POST", "/v1/projects", content=body, headers=headers)
    assert (status, named in message) == (400, True), message


async def test_both_halves_of_a_character_are_one(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        body = rb'{"displayName": "Shop", "description": "to the \ud83d\ude80"}'
        await api.request("PUT", f"/v1/projects/{project_id}", content=body)
        assert (await api.get(f"/v1/projects/{project_id}"))["description"] == "to the 🚀"


async def test_a_number_in_a_query_that_is_too_long_is_400_and_named(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        status, message = await api.request("GET", f"/v1/projects?limit=10&offset={'9' * 19}")
    assert (status, "offset" in message) == (400, True)


@pytest.mark.parametrize("kind", ["json", "multipart"])
async def test_a_body_of_unknown_length_is_read_up_to_the_limit(kind: str, tmp_path: Path) -> None:
    types = {"json": "application/json", "multipart": "multipart/form-data; boundary=x"}
    head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'

    async def too_much() -> AsyncIterator[bytes]:
        yield head if kind == "multipart" else b'{"a": "'
        for _ in range(MAX_BODY_BYTES // 2**20):
            yield b" " * 2**20

    async with running_platform(tmp_path) as api:
        path = f"/v1/projects/{await api.create_project()}/deployments/"
        path += "upload-zip" if kind == "multipart" else "files"
        headers = {"content-type": types[kind]}
        status, message = await api.request("PUT", path, content=too_much(), headers=headers)
    assert (status, "100 MB" in message) == (413, True)


async def test_a_part_named_in_an_odd_charset_is_400(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        path = f"/v1/projects/{await api.create_project()}/deployments/upload-zip"
        body = (
            b'--x\r\ncontent-disposition: form-data; name="\\ud800"; filename="a"\r\n\r\n\r\n--x--'
        )
        for charset in ("unicode_escape", "idna", "nonsense"):
            headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
            assert (await api.request("PUT", path, content=body, headers=headers))[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/",
        "/v1/projects/%00",
        "/v1/projects/%ff",
        "/v1/projects/%ed%a0%80",
        "/v1/projects/..%2f..",
        f"/downloads/x?token={'9' * 5_000}",
        "/downloads/x?token=%C2%B2",
        "/downloads/x?token=%ff.%ff.%ff",
        "/downloads/..%2f..?token=a.b.c",
    ],
)
async def test_an_address_of_nothing_is_404(path: str, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        assert (await api.request("GET", path))[0] == 404
