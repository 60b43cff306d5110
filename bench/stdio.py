"""Calls over stdio, start and memory, against a bare server of the SDK in the same run."""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from operator import truediv
from pathlib import Path
from typing import Any, Self

import psutil
from echo_api import PROJECT_ID, started_api

HERE = Path(__file__).parent

SERVERS: Mapping[str, list[str]] = {
    "floor": [sys.executable, str(HERE / "floor_server.py")],
    "createos-mcp": [sys.executable, "-m", "createos_mcp"],
}

ROUNDS = 15
STARTS = 15
CALLS = 320
WARM_UP = 100
LISTS = 200
IN_FLIGHT = (1, 16)
CALLS_GOALS = {1: 1.5, 16: 2.0}
START_GOAL, FIRST_CALL_GOAL, MEMORY_GOAL = 0.3, 0.7, 1.2

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
ERAS: Mapping[str, Mapping[str, object]] = {
    "2025-11-25": {},
    "2026-07-28": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": INITIALIZE["clientInfo"],
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
"""What each request of a protocol version carries."""

CALL = {"name": "GetProject", "arguments": {"project_id": PROJECT_ID}}


class Session:
    """One server process and a client of few instructions, so that the server is what counts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("both streams are piped")
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self._last_id = 0

    @classmethod
    async def start(
        cls, command: list[str], environ: Mapping[str, str], era: str = "2025-11-25"
    ) -> Self:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**22,
            env={**os.environ, **environ},
        )
        session = cls(process)
        if ERAS[era]:
            await session.request("server/discover", ERAS[era])
        else:
            await session.request("initialize", INITIALIZE)
            session._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return session

    async def request(self, method: str, params: object) -> dict[str, Any]:
        self._last_id += 1
        answer = self._waiting[self._last_id] = asyncio.get_running_loop().create_future()
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        result: dict[str, Any] = await answer
        return result

    async def end(self) -> None:
        self._stdin.close()
        await self.process.wait()
        await self._reader

    def _send(self, message: object) -> None:
        self._stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        async for line in self._stdout:
            message = json.loads(line)
            self._waiting.pop(message["id"]).set_result(message)


@dataclass(kw_only=True, slots=True)
class Figures:
    """What one server did."""

    start_ms: list[float] = field(default_factory=list)
    first_call_ms: list[float] = field(default_factory=list)
    calls_per_s: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """By protocol version and how many are in flight."""
    latencies_ms: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    list_ms: float = 0
    rss_mb: float = 0


async def measure_calls(session: Session, era: str, in_flight: int, figures: Figures) -> None:
    """CALLS calls, `in_flight` at a time."""
    latencies = figures.latencies_ms.setdefault((era, in_flight), [])
    call = {**CALL, **ERAS[era]}

    async def caller() -> None:
        for _ in range(CALLS // in_flight):
            began = time.perf_counter()
            answer = await session.request("tools/call", call)
            if answer["result"]["structuredContent"]["id"] != PROJECT_ID:
                raise ValueError(f"not the project: {answer}")
            latencies.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    rate = CALLS / (time.perf_counter() - began)
    figures.calls_per_s.setdefault((era, in_flight), []).append(rate)


async def measure_start(command: list[str], environ: Mapping[str, str], figures: Figures) -> None:
    """From the process's start to its answer to `initialize`, and to the first call."""
    began = time.perf_counter()
    session = await Session.start(command, environ)
    figures.start_ms.append((time.perf_counter() - began) * 1000)
    await session.request("tools/call", CALL)
    figures.first_call_ms.append((time.perf_counter() - began) * 1000)
    await session.end()


async def start_warm(command: list[str], environ: Mapping[str, str], era: str) -> Session:
    """A session that has listed the tools and called one of them WARM_UP times."""
    session = await Session.start(command, environ, era)
    await session.request("tools/list", ERAS[era])
    for _ in range(WARM_UP):
        await session.request("tools/call", {**CALL, **ERAS[era]})
    return session


async def measure_list_ms(session: Session, era: str) -> float:
    """Milliseconds of a list of tools."""
    began = time.perf_counter()
    for _ in range(LISTS):
        await session.request("tools/list", ERAS[era])
    return (time.perf_counter() - began) * 1000 / LISTS


async def measure(environ: Mapping[str, str]) -> dict[str, Figures]:
    """All figures of all servers, in interleaved rounds; each goes first every other time."""
    figures = {name: Figures() for name in SERVERS}
    for number in range(STARTS):
        for name, command in list(SERVERS.items())[:: 1 if number % 2 else -1]:
            await measure_start(command, environ, figures[name])
    for era in ERAS:
        sessions = {
            name: await start_warm(command, environ, era) for name, command in SERVERS.items()
        }
        for number in range(ROUNDS):
            for in_flight in IN_FLIGHT:
                ordered = list(sessions.items())[:: 1 if number % 2 else -1]
                for name, session in ordered:
                    await measure_calls(session, era, in_flight, figures[name])
        for name, session in sessions.items():
            rss_mb = psutil.Process(session.process.pid).memory_info().rss / 2**20
            figures[name].rss_mb = max(figures[name].rss_mb, rss_mb)
            figures[name].list_ms = await measure_list_ms(session, era)
            await session.end()
    return figures


def report(floor: Figures, ours: Figures) -> bool:
    """Print the median of the rounds' ratios, and medians; say whether every goal is met."""
    met = []
    for key in product(ERAS, IN_FLIGHT):
        era, count = key
        rates = [statistics.median(figures.calls_per_s[key]) for figures in (floor, ours)]
        ratio = statistics.median(map(truediv, ours.calls_per_s[key], floor.calls_per_s[key]))
        goal = CALLS_GOALS[count]
        met.append(ratio >= goal)
        print(f"{era}: calls/s, {count:>2} in flight   {ratio:.2f} of the floor (goal {goal})")
        for name, figures, rate in zip(SERVERS, (floor, ours), rates, strict=True):
            cuts = statistics.quantiles(figures.latencies_ms[key], n=100)
            print(f"  {name:<14} {rate:7.0f}/s   p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms")
    print(f"tools/list               {ours.list_ms:.2f} ms; of one tool {floor.list_ms:.2f} ms")
    for label, goal, pair in (
        ("start to initialize, ms", START_GOAL, (floor.start_ms, ours.start_ms)),
        ("start to first call, ms", FIRST_CALL_GOAL, (floor.first_call_ms, ours.first_call_ms)),
        ("memory, MB", MEMORY_GOAL, ([floor.rss_mb], [ours.rss_mb])),
    ):
        values = [statistics.median(measured) for measured in pair]
        ratio = statistics.median(map(truediv, pair[1], pair[0]))
        met.append(ratio <= goal)
        print(f"{label:<24} {ratio:.2f} of the floor (goal {goal})")
        print(f"  floor {values[0]:.0f}, createos-mcp {values[1]:.0f}")
    return all(met)


async def main() -> int:
    """Run everything against one local API; 1 when a goal is missed."""
    async with started_api() as api:
        figures = await measure({"CREATEOS_API_URL": api, "CREATEOS_API_KEY": "bench"})
    return 0 if report(*figures.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
