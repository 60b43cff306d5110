import pytest
from starlette.types import Message, Receive

from createos_mcp.remote.errors import BodyTooLargeError
from createos_mcp.remote.request_body import read_chunks


def arriving(*chunks: bytes) -> Receive:
    left = list(chunks)

    async def receive() -> Message:
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    return receive


async def read(receive: Receive, *, announced: int | None = None, limit_bytes: int = 8) -> bytes:
    length = [] if announced is None else [(b"content-length", str(announced).encode())]
    chunks = read_chunks({"headers": length}, receive, limit_bytes=limit_bytes, timeout_s=5)
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("announced", [None, 8])
async def test_a_body_of_exactly_the_limit_is_read(announced: int | None) -> None:
    assert await read(arriving(b"1234", b"5678"), announced=announced) == b"12345678"


async def test_a_body_above_the_limit_is_refused_whatever_it_announced() -> None:
    with pytest.raises(BodyTooLargeError):
        await read(arriving(b"1234", b"56789"))
    with pytest.raises(BodyTooLargeError):
        await read(arriving(b""), announced=9)
