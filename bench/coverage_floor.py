"""Fails when fewer branches of the package are covered than before; the floor only rises.

`.ci/coverage` runs it after the tests. `--raise` writes the floor that the measurement allows.
"""

import json
import subprocess
import sys
from pathlib import Path

FLOOR = Path(__file__).parents[1] / ".ci" / "coverage_floor.txt"
COVERAGE = [sys.executable, "-m", "coverage"]
NOISE = 0.3
"""How far two runs differ, in percent: what depends on moments is covered now and then."""


def measure() -> float:
    """Percent of statements and branches that the tests reach."""
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    report = subprocess.run(
        [*COVERAGE, "json", "--quiet", "-o", "-"], check=True, capture_output=True
    )
    percent: float = json.loads(report.stdout)["totals"]["percent_covered"]
    return percent


def main() -> int:
    """Compare with the floor.

    Returns:
        1 below it.
    """
    percent, floor = measure(), float(FLOOR.read_text())
    sys.stdout.write(f"branch coverage {percent:.2f} %, floor {floor:.1f} %\n")
    if "--raise" in sys.argv[1:]:
        FLOOR.write_text(f"{max(floor, percent - NOISE):.1f}\n")
    return 0 if percent >= floor else 1


if __name__ == "__main__":
    sys.exit(main())
