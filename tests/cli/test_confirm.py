import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from createos_mcp.contract.confirmation_codes import ConfirmationCodes


def environ(data_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREATEOS_")}
    return {**kept, "CREATEOS_DATA_DIR": str(data_dir), "NO_COLOR": "1"}


def command(code: str) -> list[str]:
    return [sys.executable, "-m", "createos_mcp", "confirm", code]


def issue(data_dir: Path, typed: str) -> tuple[ConfirmationCodes, str]:
    codes = ConfirmationCodes(data_dir / "confirmations")
    text = "Permanently delete the project shop?"
    return codes, codes.issue(call="call", caller="", text=text, typed=typed)


@pytest.mark.parametrize(
    ("typed", "answer", "is_allowed"),
    [("shop", "shop", True), ("shop", "y", False), ("", "y", True), ("", "", False)],
)
def test_a_person_allows_a_call_in_a_terminal(
    tmp_path: Path, typed: str, answer: str, *, is_allowed: bool
) -> None:
    codes, code = issue(tmp_path, typed)
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        command(code), stdin=terminal, stdout=terminal, stderr=terminal, env=environ(tmp_path)
    ) as process:
        os.write(controller, f"{answer}\n".encode())
        exit_code = process.wait(timeout=60)
    shown = os.read(controller, 100_000).decode()
    os.close(terminal)
    os.close(controller)
    assert "Permanently delete the project shop?" in shown
    assert exit_code == (0 if is_allowed else 1)
    assert codes.take("call", "") == is_allowed


def test_without_a_terminal_nothing_is_confirmed(tmp_path: Path) -> None:
    codes, code = issue(tmp_path, "")
    done = subprocess.run(
        command(code),
        input="y\n",
        capture_output=True,
        text=True,
        env=environ(tmp_path),
        check=False,
    )
    assert done.returncode == 1
    assert "only the user can confirm" in done.stdout
    assert not codes.take("call", "")


def test_a_code_that_nobody_was_told_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        command("ABCD-EFGH"), capture_output=True, text=True, env=environ(tmp_path), check=False
    )
    assert done.returncode == 1
    assert "There is no call to confirm with the code ABCD-EFGH" in done.stdout
