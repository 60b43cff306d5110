"""Kills the platform at random moments under load, and counts what was lost: `kill.py [--kills N]`.

Exit code 1 when an acknowledged write is gone, a deployment is stuck or failed without a reason,
a process or control group is left over, or an app takes longer than the goal to serve again.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
import psutil
from anyio import to_thread
from ledger import Ledger
from load import Load

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sandbox.cgroups import PARENT

GOAL_S = 3.0
APPS = 3
QUIET_WITHIN_S = 120.0
POLL_S = 0.001
PAUSES_S = (0.02, 1.5)
"""Shortest and longest time that a platform lives between two kills."""


async def torment(root: Path, kills: int, seed: int) -> list[str]:
    """Kill a platform so many times, and return what was found wrong."""
    config = PlatformConfig(data_dir=DataDir(root))
    chance = random.Random(seed)  # noqa: S311 - a seed makes a run repeatable
    ledger = Ledger()
    waits_s: list[float] = []
    load = Load(config, ledger, random.Random(seed + 1))  # noqa: S311
    try:
        await start(config)
        for number in range(APPS):
            await load.deploy(f"steady-{number}")
        async with anyio.create_task_group() as tasks:
            for work in (load.write, load.write, load.deploy_more, load.visit):
                tasks.start_soon(work)
            for _ in range(kills):
                await anyio.sleep(chance.uniform(*PAUSES_S))
                kill(config)
                waits_s.append(await serve_again(config, load))
                print(f"kill {len(waits_s)}: served again after {waits_s[-1]:.2f} s", flush=True)
            tasks.cancel_scope.cancel()
        found = [*await ledger.settle(config, QUIET_WITHIN_S), *late(waits_s)]
        print(
            f"{kills} kills under load: {ledger.acknowledged} writes acknowledged, "
            f"{load.visits} requests to apps; apps served again after "
            f"{statistics.median(waits_s):.2f} s in the middle, {max(waits_s):.2f} s at worst "
            f"(goal {GOAL_S:g} s)"
        )
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(daemon.stop_platform, config)
    return [*found, *left_over(root, ledger)]


async def start(config: PlatformConfig) -> None:
    """Start the platform, or find it running."""
    await to_thread.run_sync(daemon.ensure_running, config, dict(os.environ))


def kill(config: PlatformConfig) -> None:
    """What a crash does to the platform, and to it alone."""
    state = daemon.find_running(config.data_dir)
    if state is not None:
        os.kill(state.pid, signal.SIGKILL)
        while state.is_alive():
            time.sleep(POLL_S)


async def serve_again(config: PlatformConfig, load: Load) -> float:
    """Seconds from the platform's start until every app answers."""
    started = time.monotonic()
    await start(config)
    async with httpx2.AsyncClient(timeout=30) as client:
        for address in await load.addresses():
            while not await answers(client, address):  # noqa: ASYNC110 - an app sends no event
                await anyio.sleep(0.01)
    return time.monotonic() - started


async def answers(client: httpx2.AsyncClient, address: str) -> bool:
    """Whether the app behind an address answers for itself."""
    try:
        return (await client.get(address)).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def late(waits_s: list[float]) -> Iterator[str]:
    """The starts after which an app took longer than the goal."""
    for number, wait_s in enumerate(waits_s, start=1):
        if wait_s > GOAL_S:
            yield f"after kill {number} the apps served again after {wait_s:.2f} s"


def left_over(root: Path, ledger: Ledger) -> Iterator[str]:
    """Processes and control groups that outlived the stop of the platform."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(root) in line and process.pid != os.getpid():
            yield f"left running: {line[:120]}"
    for group in Path("/sys/fs/cgroup").glob(f"**/{PARENT}/*"):
        if group.is_dir() and group.name in ledger.replica_ids(root):
            yield f"left behind: control group {group}"


def main() -> int:
    """Run, print what was found, and tell by the exit code whether that is nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        found = anyio.run(torment, Path(directory, "data"), chosen.kills, chosen.seed)
        for line in found:
            print(f"FOUND: {line}")
    if not found:
        print("nothing lost, nothing stuck, nothing left over")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
