"""Plain calls over HTTP are answered as the SDK answers them; what is not plain is left to it."""

import json
import time
from collections.abc import Iterator, Mapping
from itertools import cycle

import httpx2
import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.remote.plain_requests import WATCH_AFTER_S
from tests.apis import FakeApi, fake_api
from tests.plain_cases import DATA, ENVELOPE, ID, calls_of, plain, prepare, request
from tests.remote.servers import ACCEPT, KEY, Served, served

ERA = "2026-07-28"
CARDS = "text/html;profile=mcp-app"
THE_LONG_WAY = {"x": "1"}
"""A query is looked at by none but the long way, and this one means nothing."""

LIMITS = (
    "--serve-calls-per-minute",
    "1000000",
    "--toolsets",
    "all",
    "--attempts",
    "1",
    "--confirm",
    "proceed",
)


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with fake_api() as one:
        yield one


@pytest.fixture(scope="module")
def server(api: FakeApi) -> Iterator[Served]:
    with served(api.url, *LIMITS) as one:
        yield one


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30, trust_env=False) as one:
        yield one


def head(message: Json, **others: str) -> dict[str, str]:
    named = {"MCP-Protocol-Version": ERA, "Mcp-Method": "tools/call"}
    tool = {"Mcp-Name": message["params"]["name"]}
    return {**ACCEPT, "X-Api-Key": KEY, **named, **tool, **others}


def test_both_ways_answer_every_call_alike(
    api: FakeApi, server: Served, client: httpx2.Client
) -> None:
    data = cycle(DATA)
    address = f"{server.url}/mcp"
    operations = load_catalog().operations
    taken = set()
    for operation in operations.values():
        for number, arguments in enumerate(calls_of(operation)):
            prepare(api, next(data), status=404 if number == 1 else 200)
            message = request(ERA, operation.name, arguments)
            short, long = (
                client.post(address, headers=head(message), json=message, params=query)
                for query in ({}, THE_LONG_WAY)
            )
            told = operation.name, arguments
            assert short.status_code == long.status_code, told
            assert headers_of(short) == headers_of(long), told
            assert plain(short.json()) == plain(long.json()), told
            # The members of the SDK's answers are in another order.
            if short.text != long.text:
                taken.add(operation.name)
    assert len(taken) > len(operations) / 2


@pytest.mark.parametrize(
    "method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
)
@pytest.mark.parametrize(
    "able",
    [
        {},
        {
            "extensions": {
                "io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}
            }
        },
    ],
    ids=["plain", "draws"],
)
def test_a_list_is_the_sdks(server: Served, client: httpx2.Client, method: str, able: Json) -> None:
    envelope = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": able}
    body: Json = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": envelope}}
    given = {**ACCEPT, "X-Api-Key": KEY, "MCP-Protocol-Version": ERA, "Mcp-Method": method}
    answers = [
        client.post(f"{server.url}/mcp", headers=given, json={**body, "id": number}, params=query)
        for number, query in ((1, {}), ("two", {}), (3, THE_LONG_WAY))
    ]
    first, kept, long = answers
    assert first.json()["result"] == kept.json()["result"] == long.json()["result"]
    assert headers_of(kept) == headers_of(long)
    assert [one.json()["id"] for one in answers] == [1, "two", 3]


def headers_of(response: httpx2.Response) -> dict[str, str]:
    varying = {"date", "content-length"}
    return {name: value for name, value in response.headers.items() if name not in varying}


@pytest.mark.parametrize(
    ("headers", "changed"),
    [
        ({"MCP-Protocol-Version": "2025-11-25"}, {}),
        ({"Mcp-Method": "tools/list"}, {}),
        ({"Mcp-Name": "GetQuotas"}, {}),
        ({"Mcp-Param-Region": "x"}, {}),
        ({"Mcp-Session-Id": "abc"}, {}),
        ({"X-MCP-Toolsets": "domains"}, {}),
        ({"Accept": "text/event-stream"}, {}),
        ({"Accept": "text/html"}, {}),
        ({"Content-Type": "text/plain"}, {}),
        ({}, {"_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}}),
        ({}, {"_meta": {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": 7}}),
        ({}, {"_meta": {**ENVELOPE, "io.modelcontextprotocol/clientInfo": {"name": "x"}}}),
        ({}, {"_meta": {}}),
        ({}, {"_meta": {**ENVELOPE, "progressToken": 1}}),
    ],
    ids=str,
)
def test_what_is_in_doubt_is_answered_by_the_sdk(
    api: FakeApi,
    server: Served,
    client: httpx2.Client,
    headers: Mapping[str, str],
    changed: Mapping[str, Json],
) -> None:
    prepare(api, {"id": ID})
    message = request(ERA, "GetProject", {"project_id": ID}, **changed)
    short, long = (
        client.post(
            f"{server.url}/mcp", headers=head(message, **headers), json=message, params=query
        )
        for query in ({}, THE_LONG_WAY)
    )
    assert (short.status_code, headers_of(short)) == (long.status_code, headers_of(long))
    assert short.text == long.text


def test_each_call_is_logged_and_counted(
    api: FakeApi, server: Served, client: httpx2.Client
) -> None:
    def counted() -> float:
        said = client.get(f"{server.url}/metrics").text
        row = 'createos_mcp_calls_total{outcome="http_404",tool="ListCronjobs"} '
        return sum(float(line.removeprefix(row)) for line in said.splitlines() if row in line)

    prepare(api, None, status=404)
    message = request(ERA, "ListCronjobs", {"project_id": ID})
    before = counted()
    for number, query in enumerate(({}, THE_LONG_WAY), start=1):
        client.post(f"{server.url}/mcp", headers=head(message), json=message, params=query)
        assert counted() == before + number
    short, long = server.calls()[-2:]
    for line in (short, long):
        del line["time"], line["duration_ms"]
    assert short == long


def test_a_call_whose_client_leaves_is_cancelled(api: FakeApi, server: Served) -> None:
    message = request(ERA, "GetProject", {"project_id": ID})
    with api.paused(), httpx2.Client(timeout=10 * WATCH_AFTER_S, trust_env=False) as impatient:
        with pytest.raises(httpx2.ReadTimeout):
            impatient.post(f"{server.url}/mcp", headers=head(message), json=message)
        until = time.monotonic() + 10
        while server.calls()[-1]["status"] != "cancelled" and time.monotonic() < until:
            time.sleep(0.05)
    assert (server.calls()[-1]["tool"], server.calls()[-1]["status"]) == ("GetProject", "cancelled")


def test_a_caller_with_too_many_calls_under_way_is_refused_in_the_same_words(
    api: FakeApi, client: httpx2.Client
) -> None:
    message = request(ERA, "ListProjects", {})
    prepare(api, {"data": []})
    with served(api.url, *LIMITS, "--serve-calls-per-minute", "1") as server:
        address = f"{server.url}/mcp"
        assert client.post(address, headers=head(message), json=message).status_code == 200
        short, long = (
            client.post(address, headers=head(message), json=message, params=query)
            for query in ({}, THE_LONG_WAY)
        )
    assert (short.status_code, json.loads(short.text)) == (429, json.loads(long.text))
