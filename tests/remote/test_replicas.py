"""Two processes behind a plain round-robin proxy, as one address."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import mcp_types
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

from createos_mcp.contract.catalog import load_catalog
from tests.apis import FakeApi, fake_api
from tests.bindings import CASES
from tests.eras import Era, both_eras
from tests.eventually import eventually_now
from tests.programs import needs
from tests.remote.servers import ID, KEY, PATIENCE_S, Served, carrier, client_of, served

FIXTURES = ("-m", "tests.remote.fixture_server")
SETTINGS = {
    "CREATEOS_SERVE_STATE_KEYS": "the same long and random text on all replicas",
    "CREATEOS_TOOLSETS": "all",
    "CREATEOS_CONFIRM": "proceed",
}
PROXY_HOST = ("--serve-allowed-hosts", "127.0.0.1:*")

pytestmark = needs("nginx")

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffering off;
            proxy_next_upstream error timeout http_503 non_idempotent;
        }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The proxy as a server, and the servers behind it."""

    front: Served
    replicas: tuple[Served, Served]
    api: FakeApi


@contextmanager
def proxied(root: Path, replicas: tuple[Served, Served]) -> Iterator[Served]:
    """nginx in front of the replicas."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    servers = " ".join(f"server 127.0.0.1:{replica.port};" for replica in replicas)
    file = root / "nginx.conf"
    file.write_text(CONFIGURATION.format(root=root, servers=servers, port=port))
    with (
        (root / "log").open("w+") as log,
        subprocess.Popen(
            ["nginx", "-e", str(root / "error.log"), "-c", str(file)], stderr=log, text=True
        ) as process,
    ):
        try:
            eventually_now(lambda: is_listening(port))
            yield Served(url=f"http://127.0.0.1:{port}", process=process, log=log)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@contextmanager
def cluster(root: Path, *flags: str) -> Iterator[Cluster]:
    with (
        fake_api() as api,
        served(api.url, *PROXY_HOST, *flags, variables=SETTINGS, program=FIXTURES) as one,
        served(api.url, *PROXY_HOST, *flags, variables=SETTINGS, program=FIXTURES) as other,
        proxied(root, (one, other)) as front,
    ):
        yield Cluster(front=front, replicas=(one, other), api=api)


@pytest.fixture(params=[(), ("--serve-stateless", "true")], ids=["sessions", "stateless"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Replicas that keep sessions, which no other knows, and such that keep none."""
    with cluster(tmp_path, *request.param) as one:
        yield one


@both_eras
async def test_every_tool_is_served_by_either_replica(era: Era, both: Cluster) -> None:
    operations = load_catalog().operations
    async with client_of(both.front, {"X-Api-Key": KEY}, era=era) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} > operations.keys()
        for case in CASES:
            result = await client.call_tool(case["operation"], case["arguments"])
            assert not result.is_error, result
    tools = [[line["tool"] for line in replica.calls()] for replica in both.replicas]
    assert min(len(calls) for calls in tools) > len(CASES) // 4
    assert {*tools[0], *tools[1]} >= {case["operation"] for case in CASES}


async def test_what_one_replica_seals_another_opens(tmp_path: Path) -> None:
    """A question is asked by one process, and its answer understood by the other."""

    async def agree(
        context: ClientRequestContext, params: mcp_types.ElicitRequestParams
    ) -> mcp_types.ElicitResult:
        del context, params
        return mcp_types.ElicitResult(action="accept", content={"username": "ada"})

    told = []
    with cluster(tmp_path, "--serve-stateless", "true") as both:
        async with (
            httpx2.AsyncClient(headers={"X-Api-Key": KEY}, timeout=PATIENCE_S) as by_http,
            Client(
                streamable_http_client(f"{both.front.url}/mcp", http_client=by_http),
                elicitation_callback=agree,
            ) as client,
        ):
            for _ in range(4):
                result = await client.call_tool("test_elicitation", {"message": "who?"})
                (part,) = result.content
                assert isinstance(part, mcp_types.TextContent)
                told.append(part.text)
    assert all("action=accept" in line for line in told)
    pairs = [re.search(r"state=process (\d+), here (\d+)", line) for line in told]
    assert any(pair and pair[1] != pair[2] for pair in pairs), told


async def test_an_upload_address_of_one_replica_is_good_at_the_other(tmp_path: Path) -> None:
    with cluster(tmp_path) as both:
        one, other = both.replicas
        async with client_of(one, {"X-Api-Key": KEY}) as client:
            result = await client.call_tool("UploadDeploymentZip", {"project_id": ID})
        assert result.structured_content is not None
        url = result.structured_content["uploadUrl"].replace(one.url, other.url)
        assert carrier.put(url, content=b"zip").status_code == 200
        assert both.api.asked[-1].headers["x-api-key"] == KEY


async def test_calls_go_on_while_a_replica_is_stopped(tmp_path: Path) -> None:
    with cluster(tmp_path) as both:
        async with client_of(both.front, {"X-Api-Key": KEY}, era="legacy") as client:
            for turn in range(20):
                if turn == 5:
                    both.replicas[0].process.terminate()
                result = await client.call_tool("GetProject", {"project_id": ID})
                assert result.structured_content == {"id": "p1"}
        assert both.replicas[0].process.wait(PATIENCE_S) == 0
