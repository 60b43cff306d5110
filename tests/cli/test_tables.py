import os
import pty
import subprocess
import sys

import pytest

from createos_mcp.cli.tables import write_table

ROWS = [("shop", "deployed"), ("a-longer-name", "[bold]:rocket:")]


def test_on_a_pipe_columns_are_aligned_and_a_row_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(("APP", "STATE"), [*ROWS, ("x" * 300, "")])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.index("STATE") == rows[0].index("deployed") == rows[1].index("[bold]")
    assert rows[2] == "x" * 300


def test_a_table_without_rows_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("APP", "STATE"), [])
    assert capsys.readouterr().out == ""


def test_on_a_terminal_texts_of_users_are_shown_as_they_are() -> None:
    ours, theirs = pty.openpty()
    code = (
        f"from createos_mcp.cli.tables import write_table; write_table(('APP', 'STATE'), {ROWS!r})"
    )
    subprocess.run([sys.executable, "-c", code], stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    for word in ("APP", "deployed", "[bold]:rocket:"):
        assert word in shown


def test_on_a_pipe_prose_is_cut_to_the_width_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("TOOL", "WHAT IT DOES"), [("Deploy", "x" * 300)], prose="WHAT IT DOES")

    row = capsys.readouterr().out.splitlines()[1]
    assert len(row) == 120
    assert row.endswith("x…")
