"""Instructions that one call over stdio takes, counted by callgrind: the same on every machine.

`bench/instructions.py` prints them for the floor and for the server, in both protocol versions;
`--check` compares them with `bench/instructions.json` and fails where there are more.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from echo_api import started_api
from stdio import CALL, ERAS, INITIALIZE, SERVERS

BUDGETS = Path(__file__).parent / "instructions.json"
WARM_UP = 30
CALLS = 40
TOLERANCE = 1.03
"""Hash seeds and allocations differ a little from run to run."""


class Counted:
    """A server under callgrind, asked one call at a time."""

    def __init__(self, command: list[str], environ: Mapping[str, str], directory: Path) -> None:
        self._out = directory / "callgrind.out"
        flags = [
            *("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"),
            f"--callgrind-out-file={self._out}",
        ]
        self._process = subprocess.Popen(
            [*flags, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environ, "PYTHONHASHSEED": "0"},
        )
        self._last_id = 0

    def ask(self, method: str, params: object) -> Mapping[str, object]:
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        assert self._process.stdout is not None  # noqa: S101 - it is piped
        while True:
            answer: dict[str, object] = json.loads(self._process.stdout.readline())
            if answer.get("id") == self._last_id:
                return answer

    def notify(self, method: str) -> None:
        self._send({"method": method})

    def count(self, params: object) -> float:
        """Millions of instructions that a call takes."""
        for _ in range(WARM_UP):
            self.ask("tools/call", params)
        self._control("-i", "on")
        for _ in range(CALLS):
            self.ask("tools/call", params)
        self._control("-i", "off")
        self._control("-d")
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(120)
        files = self._out.parent.glob("callgrind.out*")
        total = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
        totals = [total.findall(file.read_text()) for file in files]
        return max(int(one) for found in totals for one in found) / CALLS / 1e6

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is piped
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()

    def _control(self, *arguments: str) -> None:
        command = ["callgrind_control", *arguments, str(self._process.pid)]
        subprocess.run(command, check=True, capture_output=True)


async def measure() -> dict[str, float]:
    """Millions of instructions a call, by server and protocol version."""
    found = {}
    async with started_api() as api:
        environ = {"CREATEOS_API_URL": api, "CREATEOS_API_KEY": "bench"}
        for name, command in SERVERS.items():
            for era, extra in ERAS.items():
                with tempfile.TemporaryDirectory(prefix="createos-count-") as directory:
                    server = Counted(command, environ, Path(directory))
                    if not extra:
                        server.ask("initialize", INITIALIZE)
                        server.notify("notifications/initialized")
                    server.ask("tools/list", dict(extra))
                    found[f"{name} {era}"] = round(server.count({**CALL, **extra}), 2)
    return found


def main() -> int:
    """Print the counts; with --check 1 where one is above its budget."""
    if shutil.which("valgrind") is None:
        print("valgrind is needed (on Debian: apt-get install valgrind)")
        return 2
    found = asyncio.run(measure())
    budgets = json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    above = False
    for name, count in found.items():
        floor = found[f"floor {name.partition(' ')[2]}"]
        print(f"{name:<24} {count:6.2f} M instructions a call, {count / floor:.2f} of the floor")
        above |= count > budgets.get(name, count) * TOLERANCE
    if "--check" not in sys.argv:
        return 0
    if above:
        print(f"More than {BUDGETS.name} allows. Find out why; the file may only go down.")
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
