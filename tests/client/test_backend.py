"""The backend: what goes out, what comes back, and what happens when it does not."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest

from createos_mcp.calls.binding import bind
from createos_mcp.client.backend import ApiTarget, Backend, Credentials
from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import (
    ApiError,
    BackendError,
    CallError,
    ConnectionFailedError,
    ConnectionLostError,
    InvalidArgumentsError,
    PlatformNotStartedError,
    ResponseTooLargeError,
    TimedOutError,
    UnreadableResponseError,
)
from createos_mcp.contract.values import Arguments, Json

OPERATIONS = load_catalog().operations
READ = "GetProject"
WRITE = "DeleteProject"
PROJECT = {"project_id": "p1"}
KEY = "skp_0123456789"
TARGET = ApiTarget(base_url="https://api.example.com/base/", credentials=Credentials(api_key=KEY))

Handler = Callable[[httpx2.Request], httpx2.Response]


def _script(*steps: httpx2.Response | Exception) -> tuple[Handler, list[httpx2.Request]]:
    """A transport that answers with each step in turn, and the requests it was given."""
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        step = steps[min(len(seen), len(steps)) - 1]
        if isinstance(step, Exception):
            raise step
        return step

    return handle, seen


def _ok(data: Json = "done") -> httpx2.Response:
    return httpx2.Response(200, json={"success": True, "data": data})


def _status(status: int, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json={"success": False, "message": "no"}, headers=named)


class _Pauses:
    """Pauses that take no time and are written down."""

    def __init__(self) -> None:
        self.made_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.made_s.append(seconds)


async def _locate() -> ApiTarget:
    return TARGET


async def _call(
    handler: Handler,
    name: str = READ,
    arguments: Arguments | None = None,
    *,
    credentials: Credentials | None = None,
    locate: Callable[[], Awaitable[ApiTarget]] = _locate,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    max_answer_bytes: int = 20_000_000,
) -> Json:
    operation = OPERATIONS[name]
    async with Backend(
        locate,
        transport=httpx2.MockTransport(handler),
        sleep=sleep or _Pauses(),
        max_answer_bytes=max_answer_bytes,
    ) as backend:
        request = bind(operation, PROJECT if arguments is None else arguments)
        with anyio.fail_after(5):
            return await backend.send(request, operation.http, credentials)


async def test_a_request_goes_out_as_it_was_bound() -> None:
    handler, seen = _script(_ok({"id": "p1"}))
    arguments = {"project_id": "a/b", "limit": 5}

    data = await _call(handler, "ListDeployments", arguments)

    assert data == {"id": "p1"}
    assert str(seen[0].url) == "https://api.example.com/base/v1/projects/a%2Fb/deployments?limit=5"
    assert seen[0].method == "GET"
    assert seen[0].headers["x-api-key"] == KEY
    assert seen[0].headers["user-agent"].startswith("createos-mcp/")
    assert seen[0].content == b""


async def test_a_document_goes_out_as_json() -> None:
    handler, seen = _script(_ok())
    arguments = {"project_id": "p1", "domain_id": "d1"}

    await _call(handler, "UpdateDomainEnvironment", arguments)

    assert seen[0].headers["content-type"] == "application/json"
    assert json.loads(seen[0].content) == {"environmentId": None}


async def test_an_upload_goes_out_as_a_named_part() -> None:
    handler, seen = _script(_ok())
    bodies: list[bytes] = []

    async def handle(request: httpx2.Request) -> httpx2.Response:
        bodies.append(await request.aread())
        return handler(request)

    operation = OPERATIONS["UploadDeploymentZip"]
    async with Backend(_locate, transport=httpx2.MockTransport(handle)) as backend:
        request = bind(operation, {"project_id": "p1", "file": "UEsFBg=="})
        await backend.send(request, operation.http)

    assert seen[0].headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="upload.zip"' in bodies[0]
    assert b"Content-Type: application/zip\r\n\r\nPK\x05\x06\r\n" in bodies[0]


async def test_a_number_that_json_has_not_is_refused() -> None:
    handler, seen = _script(_ok())

    with pytest.raises(InvalidArgumentsError, match="finite"):
        await _call(handler, "UpdateApp", {"app_id": "a", "name": float("nan")})

    assert seen == []


async def test_the_callers_credentials_take_the_place_of_the_targets() -> None:
    handler, seen = _script(_ok())

    await _call(handler, credentials=Credentials(access_token="token-1"))  # noqa: S106

    assert seen[0].headers["x-access-token"] == "token-1"
    assert "x-api-key" not in seen[0].headers


async def test_a_caller_without_credentials_does_not_get_the_targets() -> None:
    handler, seen = _script(_ok())

    await _call(handler, credentials=Credentials())

    assert not {"x-api-key", "x-access-token"} & set(seen[0].headers)


async def test_a_cookie_of_one_call_is_not_sent_with_the_next() -> None:
    seen: list[str | None] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("cookie"))
        return httpx2.Response(200, json=[], headers={"set-cookie": "session=1; Path=/"})

    operation = OPERATIONS["ListApps"]
    async with Backend(_locate, transport=httpx2.MockTransport(handle)) as backend:
        for _ in range(2):
            await backend.send(bind(operation, {}), operation.http)

    assert seen == [None, None]


async def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine api.example.com login me password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    handler, seen = _script(_ok())

    await _call(handler)

    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_call_that_may_be_repeated_is_repeated(status: int) -> None:
    handler, seen = _script(_status(status), _status(status), _ok("third"))

    assert await _call(handler) == "third"
    assert len(seen) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 501])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    handler, seen = _script(_status(status))

    with pytest.raises(ApiError) as caught:
        await _call(handler)

    assert caught.value.status == status
    assert len(seen) == 1


@pytest.mark.parametrize(
    "step",
    [
        _status(429),
        _status(503),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("gone"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("reset"),
        httpx2.WriteTimeout("slow"),
    ],
    ids=["429", "503", "read timeout", "gone", "read", "write", "write timeout"],
)
async def test_a_call_that_may_have_happened_is_not_repeated(
    step: httpx2.Response | Exception,
) -> None:
    handler, seen = _script(step, _ok())

    with pytest.raises(CallError):
        await _call(handler, WRITE)

    assert len(seen) == 1


@pytest.mark.parametrize("name", [READ, WRITE])
@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
async def test_a_request_that_was_never_sent_is_repeated(
    name: str, error: type[httpx2.TransportError]
) -> None:
    handler, seen = _script(error("no"), _ok())

    assert await _call(handler, name) == "done"
    assert len(seen) == 2


async def test_attempts_are_bounded_and_pauses_grow() -> None:
    handler, seen = _script(_status(503))
    pauses = _Pauses()

    with pytest.raises(ApiError):
        await _call(handler, sleep=pauses)

    assert len(seen) == 4
    bounds = [(0.5, 1.0), (1.0, 1.5), (2.0, 2.5)]
    assert all(low <= s <= high for (low, high), s in zip(bounds, pauses.made_s, strict=True))


async def test_the_pause_that_the_platform_asks_for_is_kept() -> None:
    handler, _ = _script(_status(429, retry_after="17"), _ok())
    pauses = _Pauses()

    await _call(handler, sleep=pauses)

    assert pauses.made_s == [17.0]


async def test_a_pause_beyond_the_total_time_hands_the_error_back() -> None:
    handler, seen = _script(_status(429, retry_after="3600"), _ok())
    pauses = _Pauses()

    with pytest.raises(ApiError) as caught:
        await _call(handler, sleep=pauses)

    assert caught.value.retry_after_s == 3600
    assert (len(seen), pauses.made_s) == (1, [])


async def test_the_target_is_asked_for_once_by_calls_at_the_same_time() -> None:
    asked = 0

    async def locate() -> ApiTarget:
        nonlocal asked
        asked += 1
        await anyio.lowlevel.checkpoint()
        return TARGET

    handler, seen = _script(_ok())
    operation = OPERATIONS[READ]
    async with Backend(locate, transport=httpx2.MockTransport(handler)) as backend:
        assert asked == 0
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(backend.send, bind(operation, PROJECT), operation.http)

    assert (asked, len(seen)) == (1, 5)


async def test_a_platform_that_moved_is_found_again() -> None:
    places = iter(["http://127.0.0.1:1", "http://127.0.0.1:2"])

    async def locate() -> ApiTarget:
        return ApiTarget(base_url=next(places), credentials=Credentials(api_key=KEY))

    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.port == 1:
            raise httpx2.ConnectError("refused")
        return _ok(str(request.url))

    assert await _call(handle, WRITE, locate=locate) == "http://127.0.0.1:2/v1/projects/p1"


async def test_a_call_asks_for_the_place_again_only_once() -> None:
    asked = 0

    async def locate() -> ApiTarget:
        nonlocal asked
        asked += 1
        return ApiTarget(base_url=f"http://127.0.0.1:{asked}", credentials=Credentials())

    handler, seen = _script(httpx2.ConnectError("refused"))
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:2.*refused"):
        await _call(handler, locate=locate)

    assert (asked, len(seen)) == (2, 5)


async def test_a_platform_that_does_not_start_is_reported_and_asked_for_again() -> None:
    async def locate() -> ApiTarget:
        raise PlatformNotStartedError("no room", "platform.log")

    handler, seen = _script(_ok())

    with pytest.raises(PlatformNotStartedError):
        await _call(handler, locate=locate)

    assert seen == []


EXCEPTIONS = [
    kind
    for name, kind in sorted(vars(httpx2).items())
    if inspect.isclass(kind) and issubclass(kind, Exception)
]


def _raisable(kind: type[Exception]) -> Exception:
    request = httpx2.Request("GET", "https://api.example.com")
    if kind is httpx2.HTTPStatusError:
        return httpx2.HTTPStatusError("x", request=request, response=httpx2.Response(500))
    return kind("x") if "message" in inspect.signature(kind).parameters else kind()


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
async def test_no_exception_of_the_http_library_escapes(kind: type[Exception]) -> None:
    handler, _ = _script(_raisable(kind))

    with pytest.raises(BackendError) as caught:
        await _call(handler, WRITE)

    assert isinstance(caught.value.__cause__, kind)
    assert str(caught.value)


NEVER_SENT = {
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.InvalidURL,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
}


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
async def test_only_what_never_left_is_called_unsent(kind: type[Exception]) -> None:
    handler, _ = _script(_raisable(kind))

    with pytest.raises(BackendError) as caught:
        await _call(handler, WRITE)

    assert caught.value.sent is (kind not in NEVER_SENT)


async def test_an_address_that_no_client_understands_is_a_failed_connection() -> None:
    async def locate() -> ApiTarget:
        return ApiTarget(base_url="https://ä..com", credentials=Credentials())

    handler, seen = _script(_ok())
    with pytest.raises(ConnectionFailedError):
        await _call(handler, locate=locate)

    assert seen == []


def _redirect(to: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"location": to})


async def test_a_redirect_within_the_origin_is_followed() -> None:
    handler, seen = _script(_redirect("/v1/elsewhere", 308), _ok("there"))

    assert await _call(handler) == "there"
    assert seen[1].url.path == "/v1/elsewhere"
    assert seen[1].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example.com/v1/projects/p1",
        "http://api.example.com/v1/projects/p1",
        "https://api.example.com:8443/v1/projects/p1",
        "//evil.example.com/",
    ],
)
async def test_credentials_never_follow_a_redirect_to_another_origin(to: str) -> None:
    handler, seen = _script(_redirect(to), _ok())

    with pytest.raises(UnreadableResponseError, match="redirect"):
        await _call(handler)

    assert len(seen) == 1


async def test_a_redirect_of_a_change_is_not_followed() -> None:
    handler, seen = _script(_redirect("/v1/elsewhere", 307), _ok())

    with pytest.raises(UnreadableResponseError, match="redirect"):
        await _call(handler, WRITE)

    assert len(seen) == 1


async def test_redirects_in_a_circle_end() -> None:
    handler, seen = _script(_redirect("/v1/projects/p1"))

    with pytest.raises(UnreadableResponseError, match="too many redirects"):
        await _call(handler)

    assert len(seen) == 4


async def test_an_answer_is_read_up_to_a_limit() -> None:
    read_bytes = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read_bytes
        for _ in range(1_000):
            read_bytes += 1_000
            yield b"x" * 1_000

    with pytest.raises(ResponseTooLargeError, match="10000"):
        await _call(lambda _: httpx2.Response(200, content=chunks()), max_answer_bytes=10_000)

    assert read_bytes <= 12_000


async def test_a_secret_that_the_platform_repeats_is_masked() -> None:
    body = {"success": False, "message": f"bad key {KEY}", "errors": {"key": f"{KEY} is bad"}}

    with pytest.raises(ApiError) as caught:
        await _call(lambda _: httpx2.Response(401, json=body))

    assert KEY not in f"{caught.value!r} {caught.value.message} {caught.value.fields}"
    assert caught.value.message == "bad key ********"


async def test_an_empty_list_is_no_error() -> None:
    assert await _call(lambda _: _status(404), "ListAPIKeys", {}) == []


Carrier = Callable[[int], httpx2.AsyncBaseTransport | None]

CARRIERS: list[Carrier] = [
    lambda _: None,
    lambda most: PooledTransport(max_connections=most),
]

over_each_transport = pytest.mark.parametrize("carrier", CARRIERS, ids=["httpx2", "aiohttp"])

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _listen(peer: Peer) -> AsyncIterator[ApiTarget]:
    """A server of this machine that does with each connection what `peer` says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield ApiTarget(base_url=f"http://127.0.0.1:{port}", credentials=Credentials(api_key=KEY))
    finally:
        server.close()


async def _send(
    target: ApiTarget, carrier: Carrier, name: str = READ, *, read_timeout_s: float = 5.0
) -> Json:
    async def locate() -> ApiTarget:
        return target

    operation = OPERATIONS[name]
    pauses = _Pauses()
    async with Backend(
        locate, read_timeout_s=read_timeout_s, sleep=pauses, transport=carrier(100)
    ) as backend:
        return await backend.send(bind(operation, PROJECT), operation.http)


@over_each_transport
async def test_calls_share_a_connection(carrier: Carrier) -> None:
    connections = 0
    body = b'{"success":true,"data":1}'

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    operation = OPERATIONS[READ]
    async with _listen(peer) as target:

        async def locate() -> ApiTarget:
            return target

        with anyio.fail_after(5):
            async with Backend(locate, transport=carrier(100)) as backend:
                for _ in range(3):
                    assert await backend.send(bind(operation, PROJECT), operation.http) == 1

    assert connections == 1


@over_each_transport
async def test_a_silent_platform_is_given_up(carrier: Carrier) -> None:
    async def peer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with _listen(peer) as target:
        with anyio.fail_after(5), pytest.raises(TimedOutError, match=r"responding.*0\.05 s"):
            await _send(target, carrier, WRITE, read_timeout_s=0.05)


@over_each_transport
async def test_an_answer_that_drips_is_given_up_after_the_total_time(carrier: Carrier) -> None:
    async def peer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    operation = OPERATIONS[READ]
    async with _listen(peer) as target:

        async def locate() -> ApiTarget:
            return target

        with anyio.fail_after(5), pytest.raises(TimedOutError, match="all attempts"):
            async with Backend(locate, total_timeout_s=0.2, transport=carrier(100)) as backend:
                await backend.send(bind(operation, PROJECT), operation.http)


@over_each_transport
async def test_a_connection_that_breaks_is_lost_and_the_call_repeated(carrier: Carrier) -> None:
    connections = 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")

    async with _listen(peer) as target:
        with anyio.fail_after(5), pytest.raises(ConnectionLostError):
            await _send(target, carrier)

    assert connections == 4


@over_each_transport
async def test_nobody_listening_is_a_failed_connection(carrier: Carrier) -> None:
    async with _listen(lambda _, __: anyio.lowlevel.checkpoint()) as target:
        pass

    with anyio.fail_after(5), pytest.raises(ConnectionFailedError, match=target.base_url):
        await _send(target, carrier, WRITE)


@over_each_transport
async def test_cancelling_the_caller_closes_the_connection(carrier: Carrier) -> None:
    arrived, closed = anyio.Event(), anyio.Event()

    async def peer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        closed.set()

    operation = OPERATIONS[READ]
    async with _listen(peer) as target:

        async def locate() -> ApiTarget:
            return target

        async with Backend(locate, transport=carrier(100)) as backend:
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(backend.send, bind(operation, PROJECT), operation.http)
                    await arrived.wait()
                    tasks.cancel_scope.cancel()
                await closed.wait()


async def test_a_proxy_of_the_environment_never_sees_calls_to_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        body = json.dumps({"success": True, "data": line.decode().split()[1]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with _listen(peer) as target:
        with anyio.fail_after(5):
            path = await _send(target, CARRIERS[0])

    assert path == "/v1/projects/p1"


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b" " * 5000, ResponseTooLargeError),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://other/\r\ncontent-length: 2\r\n\r\nno",
            UnreadableResponseError,
        ),
    ],
    ids=["too large", "redirect"],
)
@over_each_transport
async def test_an_answer_that_is_not_read_frees_its_connection(
    carrier: Carrier, first: bytes, error: type[BackendError]
) -> None:
    answers = iter([first, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1"])

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers))
        await writer.drain()

    operation = OPERATIONS[READ]
    async with _listen(peer) as target:

        async def locate() -> ApiTarget:
            return target

        with anyio.fail_after(5):
            async with Backend(
                locate,
                max_connections=1,
                max_answer_bytes=1_000,
                pool_timeout_s=0.1,
                transport=carrier(1),
            ) as backend:
                with pytest.raises(error):
                    await backend.send(bind(operation, PROJECT), operation.http)
                data = await backend.send(bind(operation, PROJECT), operation.http)

    assert data == 1
