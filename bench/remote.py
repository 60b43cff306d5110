"""Calls over HTTP, memory and a slow platform, against a bare server of the SDK in the same run."""

import asyncio
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from operator import truediv
from pathlib import Path

import httpx2
import psutil
from echo_api import FAR_ID, FAR_S, PROJECT_ID, SLOW_ID, SLOW_S, started_api

HERE = Path(__file__).parent

SERVE = ("-m", "createos_mcp", "serve", "--serve-port", "0", "--serve-session-idle-s", "1")
LIMITS = ("--serve-calls-per-minute", "10000000", "--serve-max-in-flight", "1000")
SERVERS: Mapping[str, tuple[str, ...]] = {
    "floor": (str(HERE / "floor_http.py"),),
    "createos-mcp": (*SERVE, *LIMITS),
}

ROUNDS = 9
ROUND_S = 2
"""Long beside the time of one call, since calls under way at the end do not count; short beside the
time in which a machine becomes faster or slower."""

SLOW_CONNECTIONS = 16
CALLS = 10_000
SESSIONS = 1_000
OPEN_SESSIONS = 200
IDLE_S = 3.0
"""Longer than sessions are kept."""
CALLS_GOALS = {1: 1.5, 16: 2.0, 64: 2.0}
CONNECTIONS = tuple(CALLS_GOALS)
MEMORY_GOAL, SLOW_GOAL = 1.05, 2.0
FAR_CONNECTIONS = 16
FAR_GOAL, FAR_CALLS_GOAL, FAR_MS_GOAL = 1.2, 460, 36.0

ERA = "2026-07-28"
KEY = "bench"

HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "X-Api-Key": KEY,
}
NEWER = {"MCP-Protocol-Version": ERA, "Mcp-Method": "tools/call", "Mcp-Name": "GetProject"}

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}

SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
local wrong = 0
function response(status, headers, body)
    if status ~= 200 or not body:find('"structuredContent"', 1, true) then wrong = wrong + 1 end
end
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function done(summary, latency, requests)
    for _, thread in ipairs(threads) do
        wrong = wrong + (thread:get("wrong") or 0)
    end
    io.write(string.format("RESULT %f %f %d %d\\n", summary.requests / summary.duration * 1e6,
        latency:percentile(99) / 1000, summary.requests, wrong))
end
"""


@dataclass(kw_only=True, slots=True)
class Figures:
    """What one server did."""

    calls_per_s: dict[int, list[float]] = field(default_factory=dict)
    p99_ms: dict[int, list[float]] = field(default_factory=dict)


@asynccontextmanager
async def started(
    command: tuple[str, ...], api: str, **environ: str
) -> AsyncIterator[tuple[str, psutil.Process]]:
    """A server's address of MCP, and its process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "CREATEOS_API_URL": api, **environ},
    )
    try:
        said = (await process.stdout.readline()).decode() if process.stdout else ""
        address = re.search(r"http://\S+/mcp", said)
        if address is None:
            raise RuntimeError(f"{' '.join(command)} did not say where it listens: {said!r}")
        yield address[0], psutil.Process(process.pid)
    finally:
        process.kill()
        await process.wait()


def script_for(project_id: str) -> str:
    """What wrk sends, as its Lua."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": ERA,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "GetProject", "arguments": {"project_id": project_id}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    lines = (f'wrk.headers["{name}"] = "{value}"' for name, value in (HEADERS | NEWER).items())
    return SCRIPT.format(body=body, headers="\n".join(lines))


async def load(address: str, project_id: str, connections: int, seconds: int) -> tuple[float, ...]:
    """Calls per second, p99 in ms, and how many calls that were; every answer is looked at."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(script_for(project_id))
        script.flush()
        wrk = await asyncio.create_subprocess_exec(
            "wrk",
            *("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"),
            *("-s", script.name, address),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await wrk.communicate()
    found = re.search(r"RESULT (\S+) (\S+) (\d+) (\d+)", told.decode())
    if found is None or found[4] != "0" or found[3] == "0":
        raise ValueError(f"not every call was answered: {told.decode()}")
    return float(found[1]), float(found[2]), float(found[3])


async def measure_rates(addresses: Mapping[str, str]) -> dict[str, Figures]:
    """Rates and latencies in interleaved rounds, in which each goes first every other time."""
    figures = {name: Figures() for name in addresses}
    for address in addresses.values():
        await load(address, PROJECT_ID, CONNECTIONS[-1], ROUND_S)
    for number in range(ROUNDS):
        for count in CONNECTIONS:
            ordered = list(addresses.items())[:: 1 if number % 2 else -1]
            for name, address in ordered:
                rate, p99_ms, _ = await load(address, PROJECT_ID, count, ROUND_S)
                figures[name].calls_per_s.setdefault(count, []).append(rate)
                figures[name].p99_ms.setdefault(count, []).append(p99_ms)
    return figures


async def measure_calls_memory(address: str, process: psutil.Process) -> float:
    """How much more memory is used after CALLS calls, as a ratio."""
    before = process.memory_info().rss
    made = 0.0
    while made < CALLS:
        made += (await load(address, PROJECT_ID, 16, ROUND_S))[2]
    return process.memory_info().rss / before


async def open_sessions(address: str, count: int) -> None:
    """Open sessions and say no more in them, then wait until they are forgotten."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    async with httpx2.AsyncClient() as client:
        for _ in range(count):
            answer = await client.post(address, json=hello, headers=HEADERS)
            if "mcp-session-id" not in answer.headers:
                raise ValueError(f"no session: {answer.text}")
    await asyncio.sleep(IDLE_S)


async def measure_sessions_memory(address: str, process: psutil.Process) -> float:
    """How much more memory is used after SESSIONS sessions, as a ratio.

    No more of them are open at one time than in the first round, which is not counted: what is
    measured is what sessions leave behind, not what many open ones need.
    """
    await open_sessions(address, OPEN_SESSIONS)
    before = process.memory_info().rss
    for _ in range(SESSIONS // OPEN_SESSIONS):
        await open_sessions(address, OPEN_SESSIONS)
    return process.memory_info().rss / before


async def measure_slow(address: str) -> tuple[float, float]:
    """P99 in ms without and with calls beside it that the platform takes long for."""
    alone, beside = [], []
    for _ in range(3):
        alone.append((await load(address, PROJECT_ID, CONNECTIONS[-1], ROUND_S))[1])
        slow = asyncio.create_task(
            load(address, SLOW_ID, SLOW_CONNECTIONS, ROUND_S + 2 * int(SLOW_S))
        )
        await asyncio.sleep(SLOW_S / 2)
        beside.append((await load(address, PROJECT_ID, CONNECTIONS[-1], ROUND_S))[1])
        await slow
    return statistics.median(alone), statistics.median(beside)


async def report_far(address: str) -> bool:
    """Print calls to a platform that is FAR_S away, next to the distance; whether goals are met."""
    rates = [(await load(address, FAR_ID, FAR_CONNECTIONS, ROUND_S))[0] for _ in range(ROUNDS)]
    alone = [1000 / (await load(address, FAR_ID, 1, ROUND_S))[0] for _ in range(ROUNDS)]
    rate, alone_ms, distance_ms = *map(statistics.median, (rates, alone)), 500 * sum(FAR_S)
    ratio = FAR_CONNECTIONS / rate * 1000 / distance_ms
    label = f"{FAR_CONNECTIONS} calls to a platform {distance_ms:.0f} ms away"
    details = f"   {rate:.0f}/s, {alone_ms:.1f} ms at one connection"
    met = report_ratio(label, ratio, FAR_GOAL, details)
    return met and rate >= FAR_CALLS_GOAL and alone_ms <= FAR_MS_GOAL


def report_rates(figures: Mapping[str, Figures]) -> bool:
    """Print the median of the rounds' ratios, and medians; say whether every goal is met."""
    met = []
    for count in CONNECTIONS:
        rates = [statistics.median(f.calls_per_s[count]) for f in figures.values()]
        floor, own = (f.calls_per_s[count] for f in figures.values())
        ratio = statistics.median(map(truediv, own, floor))
        goal = CALLS_GOALS[count]
        met.append(ratio >= goal)
        print(f"calls/s, {count:>2} connections   {ratio:.2f} of the floor (goal {goal})")
        for (name, one), rate in zip(figures.items(), rates, strict=True):
            p99_ms = statistics.median(one.p99_ms[count])
            print(f"  {name:<14} {rate:7.0f}/s   p99 {p99_ms:7.2f} ms")
    return all(met)


def report_ratio(label: str, ratio: float, goal: float, details: str = "") -> bool:
    """Print one ratio; say whether its goal is met."""
    print(f"{label:<44} {ratio:.2f} (goal at most {goal}){details}")
    return ratio <= goal


async def measure(api: str) -> bool:
    """Everything against one API; whether every goal is met."""
    floor, own = SERVERS.items()
    async with (
        started(floor[1], api) as (floor_address, _),
        started(own[1], api) as (address, process),
    ):
        met = [report_rates(await measure_rates({floor[0]: floor_address, own[0]: address}))]
        ratio = await measure_calls_memory(address, process)
        met.append(report_ratio(f"memory after {CALLS} more calls", ratio, MEMORY_GOAL))
        ratio = await measure_sessions_memory(address, process)
        met.append(report_ratio(f"memory after {SESSIONS} dropped sessions", ratio, MEMORY_GOAL))
        alone, beside = await measure_slow(address)
        details = f"   {alone:.0f} ms, {beside:.0f} ms"
        met.append(report_ratio("p99 beside slow calls", beside / alone, SLOW_GOAL, details))
        met.append(await report_far(address))
        print(f"memory, MB: {process.memory_info().rss / 2**20:.0f}")
    return all(met)


async def main() -> int:
    """Run everything; 1 when a goal is missed."""
    if shutil.which("wrk") is None:
        print("this needs wrk, and it is not installed")
        return 1
    async with started_api() as api:
        return 0 if await measure(api) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
