"""Every benchmark after the other; exit code 1 when one of them misses its goal."""

import os
import platform
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "tokens.py",
    "stdio.py",
    "large_answer.py",
    "instructions.py",
    "remote.py",
    "workers.py",
    "gateway.py",
    "capacity.py",
    "deploy.py",
    "workflows.py",
    "faults/kill.py",
    "hostile.py",
    "services.py",
    "look.py",
)


def main() -> int:
    """Run the benchmarks and say how large the machine is that they ran on."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{platform.platform()}, Python {platform.python_version()}")
    print(f"{os.cpu_count()} cores, {memory_gb:.0f} GB\n")
    here = Path(__file__).parent
    missed = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, here / name], check=False).returncode:
            missed.append(name)
        print(flush=True)
    print(f"missed: {', '.join(missed)}" if missed else "every goal is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
