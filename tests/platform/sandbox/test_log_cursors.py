from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies

from createos_mcp.platform.sandbox.launcher_output import Log
from createos_mcp.platform.sandbox.log_cursors import LogCursor, read_after, read_end

pytestmark = pytest.mark.usefixtures("small_logs")


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("createos_mcp.platform.sandbox.launcher_output.MAX_LOG_BYTES", 300)


def write(file: Path, *texts: str) -> None:
    with closing(Log(str(file))) as log:
        for text in texts:
            log.write(text.encode())


def texts(directory: Path, cursor: LogCursor) -> tuple[list[str], LogCursor]:
    lines, reached = read_after(directory, cursor)
    return [line.text for line in lines], reached


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    with closing(Log(str(tmp_path / "1.log"))) as log:
        log.write(b"one\ntwo\nhalf a li")
        lines, cursor = read_end(tmp_path, 1)
        assert [(line.replica, line.text) for line in lines] == [("1", "two")]
        log.write(b"ne\n")

    assert texts(tmp_path, cursor)[0] == ["half a line"]


def test_a_log_of_several_replicas_is_in_the_order_of_their_times(tmp_path: Path) -> None:
    for replica in ("1", "2"):
        stamps = [f"2026-01-01T00:00:0{n}.000Z {replica}{n}\n" for n in range(int(replica), 5, 2)]
        (tmp_path / f"{replica}.log").write_text("".join(stamps))

    assert texts(tmp_path, LogCursor())[0] == ["11", "22", "13", "24"]


def test_a_replica_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    write(tmp_path / "1.log", "one\n")
    _, cursor = read_end(tmp_path, 10)
    write(tmp_path / "2.log", "two\n")

    assert texts(tmp_path, cursor)[0] == ["two"]


@given(
    pieces=strategies.lists(strategies.integers(min_value=0, max_value=4), min_size=1, max_size=12)
)
def test_no_line_is_lost_or_read_twice_over_rotations(
    pieces: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each reading follows at most 4 lines, fewer than what is kept of a rotated log."""
    directory = tmp_path_factory.mktemp("logs")
    cursor = LogCursor()
    seen: list[str] = []
    written: list[str] = []
    for piece in pieces:
        new = [f"line {len(written) + n} {'x' * 40}\n" for n in range(piece)]
        write(directory / "1.log", *new)
        written += [text.strip() for text in new]
        read, cursor = texts(directory, LogCursor.from_text(cursor.to_text()))
        seen += read

    assert seen == written


def test_a_new_log_under_the_number_of_an_old_one_is_read_from_its_beginning(
    tmp_path: Path,
) -> None:
    """As after a deployment: the system gives a file the number of one that is gone."""
    file = tmp_path / "1.log"
    file.write_text("2026-01-01T00:00:00.000Z old\n")
    _, cursor = read_end(tmp_path, 10)
    (stamp,) = cursor.places.values()
    file.write_text("2026-01-02T00:00:00.000Z new\n2026-01-02T00:00:01.000Z newer\n")

    assert file.stat().st_ino == stamp[0]
    assert texts(tmp_path, cursor)[0] == ["new", "newer"]


def test_the_end_of_a_long_log_begins_with_a_whole_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.sandbox.log_cursors.MAX_BYTES", 100)
    write(tmp_path / "1.log", *(f"line {number}\n" for number in range(6)))

    lines, cursor = read_end(tmp_path, 10)

    assert [line.text for line in lines] == ["line 3", "line 4", "line 5"]
    assert all(line.at.endswith("Z") for line in lines)
    assert texts(tmp_path, cursor)[0] == []


@pytest.mark.parametrize("text", ["", "!", "e30x", "WzFd", "eyIxIjpbMV19", "eyIxIjpbMSwtMV19"])
def test_what_is_not_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        LogCursor.from_text(text)
