from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from createos_mcp.platform.sandbox.app_logs import last_lines, last_moment, tail
from createos_mcp.platform.timestamps import format_time


def stamp(seconds_ago: float) -> str:
    return format_time(datetime.now(UTC) - timedelta(seconds=seconds_ago))


def log(directory: Path, name: str, *lines: str) -> Path:
    file = directory / name
    file.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return file


def test_a_line_is_as_a_terminal_would_show_it(tmp_path: Path) -> None:
    stamps = stamp(3), stamp(2)
    first = log(tmp_path, "0.log", f"{stamps[0]} loading\r\x1b[2Kcannot load")
    second = log(tmp_path, "1.log", f"{stamps[1]} step 1 start\rstep 1 done ")

    assert tail([first, second], 60).split("\n") == [
        f"{stamps[0]} [0] cannot load",
        f"{stamps[1]} [1] step 1 done ",
    ]


def test_a_forged_time_stays_behind_the_true_one(tmp_path: Path) -> None:
    true, forged = stamp(2), stamp(1)
    file = log(tmp_path, "0.log", f"{true} progress\r{forged} forged")

    assert tail([file], 60) == f"{true} {forged} forged"


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_what_an_app_prints_begins_no_line_of_its_own(sign: str, tmp_path: Path) -> None:
    forged = f"progress{sign}{stamp(1)} forged"
    file = log(tmp_path, "0.log", f"{stamp(2)} {forged}")

    assert last_lines(file, 60, 10) == [forged]
    assert tail([file], 60).count("\n") == 0


def test_lines_of_replicas_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    first = log(tmp_path, "0.log", f"{stamp(9)} a", f"{stamp(3)} c")
    second = log(tmp_path, "1.log", f"{stamp(6)} b")

    shown = [line.partition(" ")[2] for line in tail([first, second], 60).split("\n")]

    assert shown == ["[0] a", "[1] b", "[0] c"]


def test_lines_that_are_too_old_are_left_out(tmp_path: Path) -> None:
    file = log(tmp_path, "0.log", f"{stamp(600)} old", f"{stamp(1)} new")

    assert last_lines(file, 60, 10) == ["new"]


def test_a_log_without_lines_has_neither_lines_nor_a_moment(tmp_path: Path) -> None:
    file = log(tmp_path, "0.log")

    assert last_lines(file, 60, 10) == []
    assert last_moment([file]) is None


def test_the_end_of_a_log_is_read_within_the_limit(tmp_path: Path) -> None:
    file = log(tmp_path, "0.log", *(f"{stamp(1)} {number:04d}" for number in range(1000)))
    log(tmp_path, "0.log.1", f"{stamp(5)} rotated")

    shown = tail([file], 60, max_bytes=300)

    assert len(shown.encode()) <= 300
    assert shown.endswith("0999")
    assert "rotated" in tail([file], 60)
