"""A REST API on a real socket that answers as a test says and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from createos_mcp.contract.values import Json

POLL_S = 0.01
"""How soon the server notices that it shall end."""
PAUSE_S = 2
"""How long a paused API leaves a request unanswered."""


@dataclass(kw_only=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json


@dataclass(kw_only=True)
class FakeApi:
    """What is answered, and what was asked."""

    url: str = ""
    status: int = 200
    answer: Json = field(default_factory=lambda: {"status": "success", "data": {"id": "p1"}})
    data: dict[str, Json] = field(default_factory=dict)
    """Data by path, `{"/v1/projects": [...]}`; other paths are answered with `answer`."""
    raw: str = ""
    """What is answered as it stands, in place of all else."""
    asked: list[Asked] = field(default_factory=list)
    respond: Callable[[Asked], tuple[int, Json]] | None = None
    """Tells status and answer of each request, in place of the fixed ones."""
    is_open: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave requests for projects unanswered as long as the block runs, or 2 s."""
        self.is_open.clear()
        try:
            yield
        finally:
            self.is_open.set()

    def fixed(self, asked: Asked) -> tuple[int, Json]:
        """Status and answer as the fields say."""
        path = asked.path.partition("?")[0]
        found = {"status": "success", "data": self.data.get(path)}
        return self.status, found if path in self.data else self.answer

    def sent(self, method: str) -> list[str]:
        """Paths of the requests of this method, without their queries."""
        return [asked.path.partition("?")[0] for asked in self.asked if asked.method == method]


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """An API on loopback, in a thread of its own."""
    api = FakeApi()
    api.is_open.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: the second of two waits 40 ms to be acknowledged.
        wbufsize = -1

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(body) if body.startswith((b"{", b"[")) else body,
            )
            api.asked.append(asked)
            if "/projects/" in asked.path:
                api.is_open.wait(PAUSE_S)
            status, data = api.respond(asked) if api.respond else api.fixed(asked)
            answer = (api.raw or json.dumps(data)).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of http.server

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
