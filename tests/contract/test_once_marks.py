"""A mark is taken once, in one process and over several."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from createos_mcp.contract.once_marks import OnceMarks, OwnMarks, SharedMarks

MAKERS: dict[str, Callable[[Path], OnceMarks]] = {
    "own": lambda _: OwnMarks(),
    "shared": lambda directory: SharedMarks(directory / "once"),
}


@pytest.fixture(params=MAKERS)
def marks(request: pytest.FixtureRequest, tmp_path: Path) -> OnceMarks:
    return MAKERS[request.param](tmp_path)


def test_a_mark_is_taken_once_and_others_are_their_own(marks: OnceMarks) -> None:
    assert [marks.take(mark, 60) for mark in ("a", "b", "a", "b", "/", "/")] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]


def take_all(directory: Path, count: int) -> int:
    """How many of the same marks one process gets; it clears away again and again."""
    marks = SharedMarks(directory)
    return sum(marks.take(str(number), 60) for number in range(count))


def test_processes_get_each_mark_once_between_them(tmp_path: Path) -> None:
    count = 2_000
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        taken = pool.starmap(take_all, [(tmp_path / "once", count)] * 3)
    assert sum(taken) == count


def test_what_is_over_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    marks = SharedMarks(tmp_path)
    for number in range(300):
        marks.take(f"old {number}", 0.0)
    marks.take("new", 60)
    for file in tmp_path.iterdir():
        if file.stat().st_mtime < time.time():
            os.utime(file, (1, 1))
    for number in range(256):
        marks.take(f"more {number}", 60)
    assert not [file for file in tmp_path.iterdir() if file.stat().st_mtime < time.time() - 1]
    assert not marks.take("new", 60)
