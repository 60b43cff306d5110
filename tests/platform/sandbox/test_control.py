import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from createos_mcp.platform.sandbox.control import ask_launcher

CALLERS = 60


@contextmanager
def listening(run_dir: Path, *, waiting: int, answers: bool = True) -> Iterator[None]:
    """A launcher's socket with so much room for requests that wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.bind(str(run_dir / "control"))
        control.listen(waiting)

        def serve() -> None:
            for _ in range(CALLERS):
                connection, _ = control.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"[8080]")

        if answers:
            threading.Thread(target=serve, daemon=True).start()
        yield


async def test_requests_that_come_at_once_wait_for_room_and_are_all_answered(
    tmp_path: Path,
) -> None:
    with listening(tmp_path, waiting=0):
        asked = [ask_launcher(tmp_path, "ports") for _ in range(CALLERS)]
        assert await asyncio.gather(*asked) == ["[8080]"] * CALLERS


async def test_a_launcher_that_does_not_answer_is_waited_for_no_longer_than_the_limit(
    tmp_path: Path,
) -> None:
    with listening(tmp_path, waiting=0, answers=False):
        asked = [ask_launcher(tmp_path, "ports") for _ in range(3)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in outcomes)


async def test_a_launcher_that_is_gone_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await ask_launcher(tmp_path, "ports")
