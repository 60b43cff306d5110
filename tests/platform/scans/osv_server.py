"""An OSV server on loopback with a small set of advisories."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from typing_extensions import override

from createos_mcp.contract.values import Json
from tests.http_servers import serving

ADVISORIES = {row["id"]: row for row in json.loads(
    Path(__file__).with_name("advisories.json").read_text()
)}  # fmt: skip


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _document(row: Json) -> Json:
    events = [{"introduced": "0"}, {"fixed": row["fixed"]}]
    package = {"ecosystem": row["ecosystem"], "name": row["name"]}
    return {
        "id": row["id"],
        "aliases": row["aliases"],
        "summary": row["summary"],
        "database_specific": {"severity": row["severity"]} if row["severity"] else {},
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    }


def _matching(query: Json) -> list[Json]:
    package = query["package"]
    return [
        {"id": row["id"]}
        for row in ADVISORIES.values()
        if (row["ecosystem"], row["name"]) == (package["ecosystem"], package["name"].lower())
        and _numbers(query["version"]) < _numbers(row["fixed"])
    ]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(_document(ADVISORIES[self.path.rpartition("/")[2]]))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = [_matching(query) for query in asked["queries"]]
        self._answer({"results": [{"vulns": rows} if rows else {} for rows in found]})

    def _answer(self, told: Json) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        return


@contextmanager
def osv_server() -> Iterator[str]:
    """Its address."""
    with serving(_Handler) as address:
        yield f"http://{address}"
