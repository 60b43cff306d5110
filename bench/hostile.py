"""Twenty hostile apps and builds at once beside ten good apps under load: `hostile.py`.

Exit code 1 when a request of a good app fails, their p99 doubles, the platform's memory grows, or
anything is left once the hostile projects are deleted. The load is modest and closed: what is
measured is who waits for whom, not how much this machine can do.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import httpx2
import psutil
from anyio import to_thread

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.cgroups import PARENT

GOOD = 10
LOAD_S = 20.0
PAUSE_S = 0.0
"""Between two requests of one visitor; each good app has one."""

RATIO_GOAL = 2.0
GROWTH_GOAL_MB = 40
DEADLINE_S = 120.0

PAGE = """
import http.server, os
class Page(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        body = b"x" * 2000
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""

SERVE = """
import http.server, os, socket, sys, threading, time
address = ("", int(os.environ["PORT"]))
server = http.server.ThreadingHTTPServer(address, http.server.BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""

FORK = """
def fork():
    try:
        return os.fork()
    except OSError:
        time.sleep(0.1)
        return -1
"""

APPS: Mapping[str, str] = {
    "processes": FORK + "while True: fork()",
    "sessions": FORK
    + """
while True:
    if fork() == 0:
        os.setsid()
        time.sleep(5)
        os._exit(0)
""",
    "memory": "kept = []\nwhile True: kept.append(bytearray(8 << 20))",
    "processor": FORK + "for _ in range(3): fork()\nwhile True: pass",
    "log": "while True: sys.stdout.write('x' * 200 + chr(10))",
    "long-line": "while True: sys.stdout.write('x' * 65536)",
    "files": "for n in range(20000): open(f'/app/f{n}', 'w').write('x')\ntime.sleep(999)",
    "descriptors": "kept = []\nwhile len(kept) < 8000: kept.append(socket.socket())",
    "silence": "time.sleep(999)",
    "endings": "time.sleep(0.3)\nos._exit(1)",
}
"""Each listens first, so that it is deployed."""

BUILDS: Mapping[str, str] = {
    "processes": "perl -e 'while (1) { fork }' || true; sleep 60",
    "shells": "f() { f | f & }; f; sleep 60",
    "memory": "perl -e '$x .= \"y\" x 1000000 while 1'",
    "processor": "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; sleep 60",
    "output": "yes 'a line of a build that never ends'",
    "long-line": "tr '\\0' x < /dev/zero",
    "disk": "dd if=/dev/zero of=big bs=1M count=2000; sleep 60",
    "links": "ln -s / root; ln -s /etc/shadow index.html; mkfifo pipe; sleep 30",
    "daemons": "for i in $(seq 50); do (setsid sleep 300 &) ; done; sleep 30",
    "failure": "kill -9 $$",
}


async def create(client: httpx2.AsyncClient, name: str, **settings: object) -> str:
    """A new upload project's path."""
    chosen = {"useBuildAI": not settings, **settings}
    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    answer = await client.post("/v1/projects", json={**project, "settings": chosen})
    answer.raise_for_status()
    return f"/v1/projects/{answer.json()['data']['id']}"


async def deploy(client: httpx2.AsyncClient, path: str, code: str) -> str:
    """A deployment's path; it is queued, no more."""
    files = [{"path": "main.py", "content": code}]
    uploaded = await client.put(f"{path}/deployments/files", json={"files": files})
    uploaded.raise_for_status()
    return f"{path}/deployments/{uploaded.json()['data']['id']}"


async def serve(client: httpx2.AsyncClient, name: str) -> str:
    """The address of a good app once it runs."""
    path = await create(client, name)
    deployment = await deploy(client, path, PAGE)
    with anyio.fail_after(DEADLINE_S):
        while (await client.get(deployment)).json()["data"]["status"] != "deployed":  # noqa: ASYNC110
            await anyio.sleep(0.1)
    (environment,) = (await client.get(f"{path}/environments")).json()["data"]
    address: str = environment["extra"]["endpoint"]
    return address


class Load:
    """One visitor for each address, until its time is over."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self.lost = 0
        self.waits_ms: list[float] = []

    async def run(self) -> None:
        """Visit all of them at once."""
        async with httpx2.AsyncClient(timeout=10) as visitor, anyio.create_task_group() as tasks:
            for address in self._addresses:
                tasks.start_soon(self._visit, visitor, address)

    async def _visit(self, visitor: httpx2.AsyncClient, address: str) -> None:
        until = time.monotonic() + LOAD_S
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                answer = await visitor.get(address)
                self.lost += answer.status_code != 200
            except httpx2.HTTPError:
                self.lost += 1
            self.waits_ms.append((time.perf_counter() - began) * 1000)
            await anyio.sleep(PAUSE_S)

    @property
    def p99_ms(self) -> float:
        """Of all visits."""
        return statistics.quantiles(self.waits_ms, n=100)[98]


async def attack(client: httpx2.AsyncClient) -> list[str]:
    """Deploy everything hostile; the paths of its projects."""
    paths = []
    for name, code in APPS.items():
        paths.append(await create(client, f"hostile-app-{name}"))
        await deploy(client, paths[-1], SERVE + code)
    for name, command in BUILDS.items():
        settings = {"runtime": "python:3.11", "buildCommand": command, "runCommand": "true"}
        paths.append(await create(client, f"hostile-build-{name}", **settings))
        await deploy(client, paths[-1], "print('x')")
    return paths


async def remove(client: httpx2.AsyncClient, paths: list[str]) -> None:
    """Delete projects, and wait until they are gone."""
    for path in paths:
        await client.delete(path)
    with anyio.fail_after(DEADLINE_S):
        for path in paths:
            while (await client.get(path)).status_code != 404:  # noqa: ASYNC110
                await anyio.sleep(0.2)


def places_of(data_dir: Path) -> set[str]:
    """Run directories and control groups."""
    groups = Path("/sys/fs/cgroup").glob(f"*/{PARENT}/*/")
    runs = (place for place in (data_dir / "run").glob("*") if place.is_dir())
    return {str(place) for place in [*groups, *runs]}


def left_over(data_dir: Path, before: set[str]) -> list[str]:
    """What remains that was not there before: run directories, control groups, processes."""
    sleepers = [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline"])
        if "sleep 300" in " ".join(process.info["cmdline"] or [])
    ]
    return [*sorted(places_of(data_dir) - before), *sleepers]


def judge(quiet: Load, hostile: Load, growth_mb: float, left: list[str]) -> bool:
    """Print each figure and whether it meets its goal."""
    ratio = hostile.p99_ms / quiet.p99_ms
    rows = (
        (
            "requests lost",
            f"{quiet.lost} and {hostile.lost} of {len(hostile.waits_ms)}",
            "none",
            not quiet.lost + hostile.lost,
        ),
        (
            "p99 of good apps",
            f"{quiet.p99_ms:.1f} and {hostile.p99_ms:.1f} ms, {ratio:.2f} times",
            f"at most {RATIO_GOAL}",
            ratio <= RATIO_GOAL,
        ),
        (
            "platform's memory",
            f"{growth_mb:+.0f} MB",
            f"at most {GROWTH_GOAL_MB:+} MB",
            growth_mb <= GROWTH_GOAL_MB,
        ),
        ("left over", str(len(left)), "nothing", not left),
    )
    for name, figure, goal, is_met in rows:
        print(f"{name:20} {figure:40} goal {goal}: {'met' if is_met else 'MISSED'}")
    for line in left:
        print(f"  left: {line}")
    return all(row[-1] for row in rows)


async def measure(root: Path) -> bool:
    """Load the good apps alone, then beside the hostile ones."""
    config = PlatformConfig(data_dir=DataDir(root / "data"), build_timeout_s=60, sleep_after_s=0)
    target = await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))
    state = daemon.find_running(config.data_dir)
    if state is None:
        raise RuntimeError("the platform does not run")
    print(f"isolation            {state.isolation}, not enforced: {', '.join(state.gaps) or '-'}")
    process = psutil.Process(state.pid)
    headers = {"X-Api-Key": target.api_key}
    try:
        async with httpx2.AsyncClient(
            base_url=target.api_url, headers=headers, timeout=60
        ) as client:
            addresses = [await serve(client, f"good-{number}") for number in range(GOOD)]
            await Load(addresses).run()
            quiet, hostile = Load(addresses), Load(addresses)
            await quiet.run()
            before, places = process.memory_info().rss, places_of(config.data_dir.root)
            paths = await attack(client)
            await hostile.run()
            growth_mb = (process.memory_info().rss - before) / 2**20
            await remove(client, paths)
            await anyio.sleep(2)
            left = left_over(config.data_dir.root, places)
        return judge(quiet, hostile, growth_mb, left)
    finally:
        await to_thread.run_sync(daemon.stop_platform, config)


def main() -> int:
    """Measure; exit code 1 when a goal is missed."""
    with tempfile.TemporaryDirectory() as directory:
        return 0 if anyio.run(measure, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
