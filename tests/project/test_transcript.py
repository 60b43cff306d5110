import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_recorded_prompts_still_come_to_the_same() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "transcript.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
