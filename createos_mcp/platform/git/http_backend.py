"""Git over HTTP: `git http-backend` behind ASGI, with what the platform says about a push.

See git-http-backend(1). The request goes in and the response comes out in pieces, whatever their
size; a client that leaves does not stop a push whose objects have arrived.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from io import RawIOBase
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import Process
from starlette.types import Receive, Scope, Send

from createos_mcp.platform.git.git_commands import git_environ

RECEIVE, UPLOAD = "git-receive-pack", "git-upload-pack"
MAX_HEAD_BYTES = 65_536
_CHUNK_BYTES = 65_536
_HEADER_VARIABLES = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    b"content-encoding": "HTTP_CONTENT_ENCODING",
    b"git-protocol": "GIT_PROTOCOL",
}
_BROKEN = (BrokenPipeError, anyio.BrokenResourceError, anyio.ClosedResourceError)

Answer = Callable[[], AsyncIterator[str]]
"""What the platform says once branches have changed, line by line."""


async def serve_git(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    place: Path,
    rest: str,
    user: str,
    answer: Answer,
) -> None:
    """Answer one request of a git client.

    Args:
        scope: The request.
        receive: Its body.
        send: The response.
        place: The bare repository.
        rest: What follows it in the address: `info/refs`, `git-upload-pack`, `git-receive-pack`.
        user: Who asks.
        answer: What is printed to who pushes, as `remote: ...`.
    """
    variables = _variables(scope, place, rest, user)
    if rest != RECEIVE:
        await _exchange(receive, send, variables, ())
        return
    with contextlib.ExitStack() as ends:
        (told, tell), (hear, heard) = os.pipe(), os.pipe()
        for descriptor in (told, tell, hear):
            ends.callback(os.close, descriptor)
        answering = ends.enter_context(os.fdopen(heard, "wb", buffering=0))
        variables |= {"CREATEOS_TELL": str(tell), "CREATEOS_HEAR": str(hear)}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_answer_push, told, answering, answer)
            await _exchange(receive, send, variables, (tell, hear))
            tasks.cancel_scope.cancel()


def _variables(scope: Scope, place: Path, rest: str, user: str) -> dict[str, str]:
    given = {
        variable: value.decode("latin-1")
        for name, value in scope["headers"]
        if (variable := _HEADER_VARIABLES.get(name))
    }
    return {
        **git_environ(),
        **given,
        "GIT_PROJECT_ROOT": str(place.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{place.name}/{rest}",
        "REQUEST_METHOD": scope["method"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_USER": user,
        "REMOTE_ADDR": "127.0.0.1",
    }


async def _exchange(
    receive: Receive, send: Send, variables: dict[str, str], descriptors: Sequence[int]
) -> None:
    process = await anyio.open_process(
        ["git", "http-backend"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=variables,
        pass_fds=descriptors,
        start_new_session=True,
    )
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_feed, receive, process)
            await _respond(process, send)
            tasks.cancel_scope.cancel()
        await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.aclose()


async def _feed(receive: Receive, process: Process) -> None:
    """Pass the body on; one that is not whole ends the push."""
    if process.stdin is None:
        return
    with contextlib.suppress(*_BROKEN):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            if message.get("body"):
                await process.stdin.send(message["body"])
            if not message.get("more_body"):
                break
    await process.stdin.aclose()


async def _respond(process: Process, send: Send) -> None:
    """Pass the response on: a head as CGI has it, and what follows."""
    if process.stdout is None:
        return
    head, rest = b"", b""
    pieces = _pieces(process)
    async for piece in pieces:
        head += piece
        found = head.find(b"\r\n\r\n")
        if found >= 0:
            head, rest = head[:found], head[found + 4 :]
            break
        if len(head) > MAX_HEAD_BYTES:
            break
    else:
        head, rest = b"Status: 500", b"git http-backend failed\n"
    status, headers = _read_head(head)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": rest, "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _pieces(process: Process) -> AsyncIterator[bytes]:
    if process.stdout is not None:
        async for piece in process.stdout:
            yield piece


def _read_head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    status, headers = 200, []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        elif name:
            headers.append((name.strip().lower(), value.strip()))
    return status, headers


async def _answer_push(told: int, answering: RawIOBase, answer: Answer) -> None:
    """Wait for the hook's word, and say what comes of the push until its reader leaves."""
    await _until_readable(told)
    os.read(told, _CHUNK_BYTES)
    # The end of the pipe is the end for the hook.
    with contextlib.suppress(*_BROKEN), answering:
        async for line in answer():
            await to_thread.run_sync(answering.write, f"{line}\n".encode())


async def _until_readable(descriptor: int) -> None:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
