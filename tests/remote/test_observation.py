import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typing_extensions import override

from tests.apis import FakeApi, fake_api
from tests.remote.servers import (
    HELLO_MESSAGE,
    ID,
    KEY,
    PATIENCE_S,
    Served,
    call,
    carrier,
    client_of,
    post,
    served,
)

VALUE = "a-value-of-an-argument"


@pytest.fixture
def running() -> Iterator[tuple[FakeApi, Served]]:
    with fake_api() as api, served(api.url, "--log-level", "debug") as server:
        yield api, server


def metrics_of(server: Served) -> dict[str, float]:
    """Sample to value, `{'createos_mcp_calls_total{outcome="ok",tool="GetProject"}': 2.0}`."""
    text = carrier.get(f"{server.url}/metrics").text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_probe_needs_no_credentials_and_no_name(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    for path in ("/healthz", "/readyz"):
        answer = carrier.get(server.url + path, headers={"Host": "10.1.2.3"})
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_it_is_ready_only_while_the_platform_answers() -> None:
    with served("http://127.0.0.1:9") as server:
        assert carrier.get(f"{server.url}/healthz").status_code == 200
        answer = carrier.get(f"{server.url}/readyz")
        assert answer.status_code == 503
        assert "Could not connect to http://127.0.0.1:9" in answer.json()["reason"]


def test_a_platform_that_refuses_the_probe_is_reachable_and_one_that_fails_is_not() -> None:
    for status, ready in ((401, 200), (503, 503)):
        with fake_api() as api, served(api.url) as server:
            api.status, api.answer = status, {"status": "fail", "data": "no"}
            for _ in range(5):
                assert carrier.get(f"{server.url}/readyz").status_code == ready
            assert len(api.asked) == 1


async def test_metrics_count_calls_errors_refusals_and_times(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    async with client_of(server, {"X-Api-Key": KEY}) as client:
        await client.call_tool("GetProject", {"project_id": ID})
        await client.call_tool("GetProject", {})
        api.status, api.answer = 404, {"status": "fail", "data": "no such project"}
        await client.call_tool("GetProject", {"project_id": ID})
    post(server, call("NoSuchTool"))
    carrier.post(f"{server.url}/mcp")
    found = metrics_of(server)
    calls = {name: value for name, value in found.items() if "calls_total" in name}
    assert calls == {
        'createos_mcp_calls_total{outcome="ok",tool="GetProject"}': 1,
        'createos_mcp_calls_total{outcome="invalid_arguments",tool="GetProject"}': 1,
        'createos_mcp_calls_total{outcome="http_404",tool="GetProject"}': 1,
        'createos_mcp_calls_total{outcome="protocol_error",tool="unknown"}': 1,
    }
    assert found['createos_mcp_call_seconds_count{tool="GetProject"}'] == 3
    assert found['createos_mcp_upstream_seconds_count{outcome="http_404"}'] == 1
    assert found["createos_mcp_calls_in_flight"] == 0
    assert found['createos_mcp_refused_requests_total{reason="unauthorized"}'] == 1


def test_metrics_are_for_who_has_their_token() -> None:
    public = ("--serve-host", "0.0.0.0", "--serve-public-url", "http://127.0.0.1")
    hosts = ("--serve-allowed-hosts", "127.0.0.1:*")
    with fake_api() as api, served(api.url, *public, *hosts) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        assert carrier.get(address).status_code == 401
    token = {"CREATEOS_SERVE_METRICS_TOKEN": "prometheus"}
    with fake_api() as api, served(api.url, *public, *hosts, variables=token) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        assert carrier.get(address).status_code == 401
        given = {"Authorization": "Bearer prometheus"}
        assert carrier.get(address, headers=given).status_code == 200


async def test_each_call_is_one_line_of_json_with_no_secret_and_no_value(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    async with client_of(server, {"X-Api-Key": KEY}) as client:
        await client.call_tool("GetProject", {"project_id": ID})
        await client.call_tool("ListProjects", {"name": VALUE})
        api.status, api.answer = 500, {"status": "fail", "data": f"no {KEY}"}
        await client.call_tool("CreateProject", {"uniqueName": VALUE})
    assert server.stop() == 0
    told = [(line["tool"], line["status"], line["key"]) for line in server.calls()]
    digest = told[0][2]
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert told == [
        ("GetProject", "ok", digest),
        ("ListProjects", "ok", digest),
        ("CreateProject", "invalid_arguments", digest),
    ]
    assert all(line["duration_ms"] >= 0 for line in server.calls())
    text = server.log_text()
    assert KEY not in text
    assert VALUE not in text
    assert all(json.loads(line)["level"] for line in text.splitlines())


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An address that takes traces, and what it was given."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", taken
        server.shutdown()
        thread.join(PATIENCE_S)


def test_traces_of_calls_and_of_requests_to_the_platform_are_sent() -> None:
    with (
        collector() as (address, taken),
        fake_api() as api,
        served(api.url, "--serve-otlp-endpoint", address) as server,
    ):
        assert post(server, HELLO_MESSAGE).status_code == 200
        assert post(server, call("GetProject", project_id=ID)).status_code == 200
        assert server.stop() == 0
        (line,) = server.calls()
    sent = b"".join(taken)
    assert b"tools/call GetProject" in sent
    assert b"GET /v1/projects/{project_id}" in sent
    assert bytes.fromhex(line["trace_id"]) in sent
    assert KEY.encode() not in sent
    assert ID.encode() not in sent
