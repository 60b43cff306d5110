from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import anyio

from createos_mcp.contract.values import Json
from tests.platform.api.environments import assign, resize
from tests.platform.platforms import Api, running_platform

SWITCHES = 50
CONNECTIONS = 32
PAUSE_S = 0.05
"""Between requests of a connection: the processor is for the switches, too."""

APP = '''
import base64, hashlib, http.server, os, time

class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/stream":
            return self.stream()
        if self.path == "/socket":
            return self.socket()
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def stream(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(5):
            self.wfile.write(b"5\\r\\npart%d\\r\\n" % number)
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"0\\r\\n\\r\\n")

    def socket(self):
        """A WebSocket that sends back what it gets, until the client closes; see RFC 6455."""
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("sec-websocket-accept", accept)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            mask = self.rfile.read(4)
            masked = self.rfile.read(head[1] & 127)
            body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(masked))
            self.wfile.write(bytes([head[0], len(body)]) + body)
            self.wfile.flush()
            if head[0] & 15 == 8:
                return

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), App).serve_forever()
'''
"""An app that answers plainly, in pieces, and over WebSockets."""


@dataclass
class Traffic:
    """What busy connections met."""

    answered: int = 0
    errors: list[str] = field(default_factory=list)


async def test_no_request_is_dropped_by_assigning_redeploying_and_scaling(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": APP})
        project_id = first["projectId"]
        production = await api.environment(project_id)
        second_id = await api.upload(project_id, {"main.py": APP})
        await api.wait(project_id, second_id, "deployed")
        async with busy(production["extra"]["endpoint"]) as traffic:
            for number in range(SWITCHES):
                await switch(api, production, number, (first["id"], second_id))
    assert traffic.errors == []
    assert traffic.answered > SWITCHES * CONNECTIONS / 2


async def switch(api: Api, environment: Json, number: int, deployments: tuple[str, str]) -> None:
    """Change what answers: mostly another deployment, now and then its size or a new version."""
    project_id, environment_id = environment["projectId"], environment["id"]
    if number % 10 == 3:
        replicas = 1 + number // 10 % 3
        await resize(api, project_id, environment_id, cpu=500, replicas=replicas)
    elif number % 25 == 7:
        newest = await api.upload(project_id, {"main.py": APP})
        await api.wait(project_id, newest, "deployed")
    else:
        await assign(api, project_id, environment_id, deployments[number % 2])


@asynccontextmanager
async def busy(address: str) -> AsyncIterator[Traffic]:
    """Connections that ask again and again, and finish what they have begun at the end."""
    traffic, over = Traffic(), anyio.Event()
    kinds = (plain, plain, streamed, spoken)
    async with aiohttp.ClientSession() as session, anyio.create_task_group() as tasks:
        for number in range(CONNECTIONS):
            tasks.start_soon(ask, session, address, kinds[number % len(kinds)], traffic, over)
        yield traffic
        over.set()


async def ask(
    session: aiohttp.ClientSession, address: str, kind: Json, traffic: Traffic, over: anyio.Event
) -> None:
    while not over.is_set():
        try:
            await kind(session, address)
            traffic.answered += 1
        except (aiohttp.ClientError, OSError, AssertionError, TimeoutError) as error:
            traffic.errors.append(f"{kind.__name__}: {error!r}")
        await anyio.sleep(PAUSE_S)


async def plain(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(address) as answer:
        assert (answer.status, await answer.text()) == (200, "hello")


async def streamed(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(f"{address}/stream") as answer:
        text = await answer.text()
        assert (answer.status, text) == (200, "part0part1part2part3part4")


async def spoken(session: aiohttp.ClientSession, address: str) -> None:
    async with session.ws_connect(f"{address}/socket") as connection:
        for number in range(5):
            await connection.send_str(f"word {number}")
            assert await connection.receive_str(timeout=30) == f"word {number}"
            await anyio.sleep(0.05)
