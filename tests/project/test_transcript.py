import subprocess
import sys
from pathlib import Path

from transcript import RECORD, WORKFLOWS, normalise, shape

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


def test_what_differs_between_recordings_is_replaced_and_addresses_stay_whole() -> None:
    assert normalise("http://127.0.0.1:8080, node 22.1.0") == (
        "http://127.0.0.1:<port>, node <version>"
    )


def test_a_call_that_no_longer_happens_changes_the_shape() -> None:
    record = RECORD.read_text()
    assert shape(record) != shape(record.replace("**ListProjects**", "**ListApps**"))
    assert {f"**{name}**" in record for name in WORKFLOWS} == {True}
    assert "127.<" not in record
