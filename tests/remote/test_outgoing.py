"""How requests to the platform leave a server for many callers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.agents import text_of
from tests.remote.servers import ID, KEY, client_of, served


@contextmanager
def refusing_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nobody through, and the first lines of what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse_all() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rb") as lines:
                        asked.append(lines.readline().decode().strip())
                        connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse_all, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


async def test_a_proxy_of_the_environment_is_asked_for_a_platform_elsewhere() -> None:
    with refusing_proxy() as (proxy, asked):
        variables = {"HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
        with served("https://api.example.com", "--attempts", "1", variables=variables) as server:
            async with client_of(server, {"X-Api-Key": KEY}) as client:
                result = await client.call_tool("GetProject", {"project_id": ID})
    assert result.is_error
    assert "api.example.com" in text_of(result)
    assert set(asked) == {"CONNECT api.example.com:443 HTTP/1.1"}
