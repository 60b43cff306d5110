"""A registry that anybody may read who asks for a token first, as public hubs do."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from typing_extensions import override

from tests.http_servers import serving
from tests.platform.engines.daemons import registry_port

TOKEN = "anybody"  # noqa: S105 - which is no secret


class _Gate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behind: str

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            self._answer(200, {}, json.dumps({"token": TOKEN}).encode())
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f"http://{self.headers['Host']}/token"
            scheme = f'Bearer realm="{realm}",service="registry",scope="repository:any:pull"'
            self._answer(401, {"WWW-Authenticate": scheme}, b"{}")
        else:
            self._pass_on()

    do_HEAD = do_GET  # noqa: N815 - as http.server calls it

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection(self.behind, timeout=30)
        accepted = {"Accept": ", ".join(self.headers.get_all("Accept", []))}
        connection.request(self.command, self.path, headers=accepted)
        answer = connection.getresponse()
        content = answer.read()
        kept = {k: v for k, v in answer.getheaders() if k.startswith(("Content-T", "Docker-"))}
        size = answer.getheader("Content-Length") or str(len(content))
        self._answer(answer.status, kept, content, size)
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, size: str = "") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": size or str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def token_registry(behind: str) -> Iterator[str]:
    """The address at which another registry's images are had with a token.

    Args:
        behind: That registry, `127.0.0.1:5000`.
    """
    host = behind.partition(":")[0]
    gate = type("Gate", (_Gate,), {"behind": behind})
    with serving(gate, host, registry_port()) as address:
        yield address
