"""What a second worker is worth: calls for each second of the server's own processor time.

The load generator and the API take as much of a small machine as the server does, so that its rate
says little about it. Two workers can do twice the work of one that costs as little for each call.
"""

import asyncio
import secrets
import shutil
import statistics
import sys
from collections.abc import Mapping

import psutil
from echo_api import PROJECT_ID, started_api
from remote import LIMITS, SERVE, load, started

ROUNDS = 9
ROUND_S = 2
CONNECTIONS = 32
GOAL = 1.8

STATELESS = (*SERVE, *LIMITS, "--serve-stateless")
SERVERS: Mapping[int, tuple[str, ...]] = {
    1: STATELESS,
    2: (*STATELESS, "--serve-workers", "2"),
}
KEYS = {"CREATEOS_SERVE_STATE_KEYS": secrets.token_hex()}


def used_s(server: psutil.Process) -> float:
    """Processor time of a server and its workers so far."""
    times = (process.cpu_times() for process in (server, *server.children(recursive=True)))
    return sum(one.user + one.system for one in times)


async def cost_s(address: str, server: psutil.Process) -> float:
    """Processor time of one call."""
    before = used_s(server)
    _, _, calls = await load(address, PROJECT_ID, CONNECTIONS, ROUND_S)
    return (used_s(server) - before) / calls


async def measure(api: str) -> bool:
    """Print what two workers can do of what one can; whether the goal is met."""
    one, two = SERVERS.items()
    async with (
        started(one[1], api, **KEYS) as (first_address, first),
        started(two[1], api, **KEYS) as (second_address, second),
    ):
        servers = {one[0]: (first_address, first), two[0]: (second_address, second)}
        costs: dict[int, list[float]] = {count: [] for count in servers}
        for number in range(-1, ROUNDS):
            for count in sorted(servers, reverse=bool(number % 2)):
                cost = await cost_s(*servers[count])
                if number >= 0:
                    costs[count].append(cost)
    pairs = zip(costs[1], costs[2], strict=True)
    ratio = statistics.median(2 * alone / shared for alone, shared in pairs)
    print(f"two workers                {ratio:.2f} of one (goal at least {GOAL})")
    for count, found in costs.items():
        print(f"  workers: {count}   {statistics.median(found) * 1e6:6.0f} µs a call")
    return ratio >= GOAL


async def main() -> int:
    """Run everything; 1 when the goal is missed."""
    if shutil.which("wrk") is None:
        print("this needs wrk, and it is not installed")
        return 1
    async with started_api() as api:
        return 0 if await measure(api) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
