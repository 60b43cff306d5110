"""How long an answer of 1 MB keeps the event loop, on which all other calls wait.

A task wakes every millisecond; the longest time that it is kept from that is what others wait.
"""

import asyncio
import json
import statistics
import sys
import time

from echo_api import LARGE_ID, started_api

from createos_mcp.client.backend import Backend
from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.client.target import ApiTarget, Credentials, known_target
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.server.offer import build_offer
from createos_mcp.server.plain_calls import PlainCalls

ROUNDS = 30
GOAL_MS = 15.0


async def longest_gap_ms(plain: PlainCalls, line: bytes) -> tuple[float, int]:
    """The longest time without the loop while a call is answered, and the answer's size."""
    gaps = [0.0]

    async def watch() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - before)
            before = now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    gaps.clear()
    call = plain.read(line)
    if call is None:
        raise ValueError("the call goes another way")
    answer = await plain.answer(call)
    await asyncio.sleep(0.005)
    watching.cancel()
    if json.loads(answer)["result"]["isError"]:
        raise ValueError(f"not an answer: {answer[:200]!r}")
    return max(gaps) * 1000, len(answer)


async def measure(api: str) -> bool:
    """Print the gap; whether the goal is met."""
    target = known_target(ApiTarget(base_url=api, credentials=Credentials(api_key="bench")))
    params = {"name": "GetProject", "arguments": {"project_id": LARGE_ID}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    line = json.dumps(message).encode()
    async with Backend(target, transport=PooledTransport(max_connections=10)) as backend:
        plain = PlainCalls(build_offer(load_catalog(), backend, result_budget_bytes=2_000_000))
        await longest_gap_ms(plain, line)
        found = [await longest_gap_ms(plain, line) for _ in range(ROUNDS)]
    gap_ms = statistics.median(gap for gap, _ in found)
    size_mb = found[0][1] / 1e6
    print(f"an answer of {size_mb:.1f} MB keeps the loop {gap_ms:.1f} ms (goal {GOAL_MS:.0f})")
    return gap_ms <= GOAL_MS


async def main() -> int:
    """Run everything; 1 when the goal is missed."""
    async with started_api() as api:
        return 0 if await measure(api) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
