from collections.abc import AsyncGenerator

import anyio
import pytest
from starlette.types import Message

from createos_mcp.platform.pages import event_streams
from createos_mcp.platform.pages.event_streams import EventStream, event


@pytest.mark.parametrize(
    ("data", "written"),
    [
        ("one", "event: swap\ndata: one\n\n"),
        ("one\ntwo", "event: swap\ndata: one\ndata: two\n\n"),
        ("a\rb\r\nc", "event: swap\ndata: a\ndata: b\ndata: c\n\n"),
        ("", "event: swap\ndata: \n\n"),
        ("a\u2028b\x0cc", "event: swap\ndata: a\u2028b\x0cc\n\n"),
    ],
)
def test_no_text_ends_an_event_early(data: str, written: str) -> None:
    assert event("swap", data) == written


def test_an_event_says_where_a_stream_goes_on() -> None:
    assert event("lines", "x", id="7") == "id: 7\nevent: lines\ndata: x\n\n"


class Reader:
    """Receives a stream, and leaves when it is told to."""

    def __init__(self) -> None:
        self.left = anyio.Event()
        self.text = ""

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.text += message.get("body", b"").decode()


async def forever(ended: anyio.Event) -> AsyncGenerator[str, None]:
    try:
        yield event("swap", "first")
        await anyio.sleep_forever()
    finally:
        ended.set()


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_a_stream_ends_what_it_watches_when_its_reader_leaves() -> None:
    reader, ended = Reader(), anyio.Event()
    stream = EventStream(forever(ended), may_go_on=yes)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream, {}, reader.receive, reader.send)
            while "first" not in reader.text:
                await anyio.sleep(0.01)
            reader.left.set()
    assert ended.is_set()


async def test_a_stream_ends_with_the_session_that_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_streams, "QUIET_S", 0.01)
    reader, ended = Reader(), anyio.Event()
    with anyio.fail_after(5):
        await EventStream(forever(ended), may_go_on=no)({}, reader.receive, reader.send)
    assert ended.is_set()
