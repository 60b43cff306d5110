"""Requests per second through the gateway, against nginx and Caddy in front of the same app."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from createos_mcp.platform.gateway.gateway import Gateway, Site
from createos_mcp.platform.gateway.traffic import open_traffic
from createos_mcp.platform.models import Instance
from createos_mcp.platform.processes import ProcessId

PROGRAMS = ("wrk", "nginx", "caddy")
"""Names of the programs and of the Debian packages that they come in."""

ROUNDS = 5
ROUND_S = 3
CONNECTIONS = (1, 32)
GOAL = 0.6
GOAL_CONNECTIONS = 32
START_DEADLINE_S = 10.0

NGINX = """
worker_processes auto; daemon off; pid {root}/{name}.pid; error_log {root}/{name}.err;
events {{ worker_connections 1024; }}
http {{
  keepalive_requests 1000000000; access_log {log};
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  {server}
}}
"""

APP = 'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello from the app"; }} }}'

PROXY = """
upstream app {{ server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000000; }}
server {{
  listen 127.0.0.1:{port};
  location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
}}
"""

CADDYFILE = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  log {{
    output file {root}/caddy.log
  }}
  reverse_proxy 127.0.0.1:{app}
}}
"""

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)")
_FAILED = re.compile(r"Non-2xx|Socket errors")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(kw_only=True, slots=True)
class Figures:
    """What one way to the app did, by number of connections."""

    rates: dict[int, list[float]] = field(default_factory=dict)
    p99s_ms: dict[int, list[float]] = field(default_factory=dict)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def nginx_command(root: Path, name: str, log: str, server: str) -> list[str]:
    """An nginx with a configuration of its own."""
    file = root / f"{name}.conf"
    file.write_text(NGINX.format(root=root, name=name, log=log, server=server))
    return ["nginx", "-p", str(root), "-c", str(file)]


def commands(root: Path, ports: Mapping[str, int]) -> Iterator[list[str]]:
    """How the app and what stands in front of it are started."""
    app = ports["directly"]
    caddyfile = root / "Caddyfile"
    caddyfile.write_text(CADDYFILE.format(port=ports["caddy"], root=root, app=app))
    yield nginx_command(root, "app", "off", APP.format(port=app))
    proxy = PROXY.format(port=ports["nginx"], app=app)
    yield nginx_command(root, "proxy", f"{root}/access.log", proxy)
    yield ["caddy", "run", "--adapter", "caddyfile", "--config", str(caddyfile)]
    yield [sys.executable, __file__, "serve", str(ports["gateway"]), str(app), str(root)]


@contextlib.contextmanager
def running(root: Path) -> Iterator[Mapping[str, int]]:
    """The app and all ways to it; gives their ports."""
    ports = {name: free_port() for name in ("directly", "gateway", "caddy", "nginx")}
    environ = {**os.environ, "HOME": str(root)}
    with contextlib.ExitStack() as programs:
        for command in commands(root, ports):
            program = programs.enter_context(
                subprocess.Popen(
                    command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            programs.callback(program.terminate)
        for port in ports.values():
            wait_for(port)
        yield ports


def wait_for(port: int) -> None:
    """Return once something listens on a port."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def ask(port: int, connections: int, seconds: int) -> tuple[float, float]:
    """Requests per second and p99 in milliseconds, by wrk."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    said = subprocess.run(
        ["wrk", *options, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True
    ).stdout
    rate, p99 = _RATE.search(said), _P99.search(said)
    if rate is None or p99 is None or _FAILED.search(said):
        raise ValueError(f"not every request succeeded: {said}")
    return float(rate[1]), float(p99[1]) * _MS[p99[2]]


def measure() -> dict[str, Figures]:
    """All ways, in interleaved rounds, after one of each that is not counted."""
    with tempfile.TemporaryDirectory() as root, running(Path(root)) as ports:
        figures = {name: Figures() for name in ports}
        for round_number in range(ROUNDS + 1):
            for connections in CONNECTIONS:
                for name, port in ports.items():
                    rate, p99_ms = ask(port, connections, ROUND_S if round_number else 1)
                    if round_number:
                        figures[name].rates.setdefault(connections, []).append(rate)
                        figures[name].p99s_ms.setdefault(connections, []).append(p99_ms)
    return figures


def report(figures: Mapping[str, Figures]) -> bool:
    """Print medians and the ratio to Caddy; say whether the goal is met."""
    for connections in CONNECTIONS:
        print(f"{connections} connections")
        for name, seen in figures.items():
            rate = statistics.median(seen.rates[connections])
            p99_ms = statistics.median(seen.p99s_ms[connections])
            print(f"  {name:<9} {rate:8.0f}/s   p99 {p99_ms:7.2f} ms")
    ratios = {
        connections: statistics.median(figures["gateway"].rates[connections])
        / statistics.median(figures["caddy"].rates[connections])
        for connections in CONNECTIONS
    }
    for connections, ratio in ratios.items():
        goal = f" (goal {GOAL})" if connections == GOAL_CONNECTIONS else ""
        print(f"gateway at {connections:>2} connections   {ratio:.2f} of Caddy{goal}")
    return ratios[GOAL_CONNECTIONS] >= GOAL


async def serve(port: int, app_port: int, root: Path) -> None:
    """Run the gateway alone, in front of the app, counting what passes."""
    instance = Instance(
        replica_id="bench",
        process=ProcessId.of(os.getpid()),
        run_dir=root,
        port=app_port,
        isolation="none",
        limits="watched",
    )

    def now() -> datetime:
        return datetime.now(UTC)

    async def open_socket(_instance: Instance, family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)

    async with (
        open_traffic(root / "traffic.db", now=now, retention_days=7) as traffic,
        Gateway(open_socket=open_socket, record=traffic.record) as gateway,
    ):
        site = Site(route_id="bench", hosts=(), port=port, is_counted=True)
        await gateway.open(site)
        gateway.publish(site.route_id, [instance])
        await traffic.run()


def main() -> int:
    """Measure; 1 when the goal is missed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"skipped: it needs the Debian packages {', '.join(missing)}")
        return 0
    return 0 if report(measure()) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
    else:
        sys.exit(main())
