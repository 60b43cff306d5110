"""Several processes serve one address as one would."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from createos_mcp.contract.values import Json
from createos_mcp.remote.worker_directory import new_worker_directory
from createos_mcp.remote.workers import listening_socket
from tests.apis import FakeApi, fake_api
from tests.eventually import eventually_now
from tests.remote.servers import (
    ID,
    KEY,
    MODERN_META,
    Served,
    answer_in,
    call,
    headers_for,
    served,
)

WORKERS = 3
FLAGS = ("--serve-workers", str(WORKERS), "--serve-stateless", "--toolsets", "all")
ROUNDS = 24


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as one:
        yield one


@pytest.fixture
def server(api: FakeApi) -> Iterator[Served]:
    with served(api.url, *FLAGS) as one:
        yield one


def workers_of(server: Served) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def post(server: Served, body: Json) -> Json:
    """One message over a connection of its own, so that any worker may get it."""
    sent = {**headers_for(body, "auto"), "X-Api-Key": KEY}
    with httpx2.Client(timeout=30, trust_env=False) as client:
        return answer_in(client.post(f"{server.url}/mcp", json=body, headers=sent))


def metrics_of(server: Served) -> str:
    with httpx2.Client(timeout=30, trust_env=False) as client:
        return client.get(f"{server.url}/metrics").text


def test_calls_spread_and_their_figures_add_up(server: Served) -> None:
    assert len(workers_of(server)) == WORKERS
    before = {worker.pid: worker.cpu_times().user for worker in workers_of(server)}
    for _ in range(4 * ROUNDS):
        assert not post(server, call("GetProject", "auto", project_id=ID))["result"]["isError"]
    used = {worker.pid: worker.cpu_times().user for worker in workers_of(server)}
    assert all(used[pid] > spent for pid, spent in before.items())
    row = 'createos_mcp_calls_total{outcome="ok",tool="GetProject"} '
    assert f"{row}{float(4 * ROUNDS)}" in metrics_of(server)
    assert "createos_mcp_calls_in_flight 0.0" in metrics_of(server)


def test_an_answer_of_a_person_is_taken_once_by_all_of_them(api: FakeApi, server: Served) -> None:
    api.answer = {"status": "success", "data": {"id": ID, "uniqueName": "my-app"}}
    able = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}

    def ask(**more: Json) -> Json:
        body = call("DeleteProject", "auto", project_id=ID)
        body["params"] |= {"_meta": able, **more}
        return post(server, body)["result"]

    asked = ask()
    ((name, question),) = asked["inputRequests"].items()
    (field,) = question["params"]["requestedSchema"]["properties"]
    answer = {"action": "accept", "content": {field: "my-app"}}
    given = {"inputResponses": {name: answer}, "requestState": asked["requestState"]}
    results = [ask(**given) for _ in range(ROUNDS)]
    deletions = [one for one in api.asked if one.method == "DELETE"]
    assert len(deletions) == 1, results[0]
    assert sum("inputRequests" in result for result in results) == ROUNDS - 1


def test_an_upload_address_is_taken_once_by_all_of_them(api: FakeApi, server: Served) -> None:
    api.answer = {"status": "success", "data": {"id": ID}}
    offered = post(server, call("UploadDeploymentZip", "auto", project_id=ID))
    address = offered["result"]["structuredContent"]["uploadUrl"]
    statuses = []
    for _ in range(ROUNDS):
        with httpx2.Client(timeout=30, trust_env=False) as client:
            statuses.append(client.put(address, content=b"PK").status_code)
    assert (statuses.count(200), statuses[0]) == (1, 200)


async def test_small_answers_do_not_wait_for_the_client() -> None:
    """Nagle's algorithm holds back the second piece of an answer for 40 ms."""
    sent_at_once: list[int] = []

    def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = writer.get_extra_info("socket")
        sent_at_once.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    bound = listening_socket("127.0.0.1", 0)
    async with await asyncio.start_server(take, sock=bound):
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        assert await reader.read() == b""
        writer.close()
    assert sent_at_once == [1]


def test_workers_that_end_are_started_again_and_the_others_go_on(server: Served) -> None:
    first, *others = workers_of(server)
    ended = {first.pid}
    first.kill()
    for _ in range(2):
        eventually_now(lambda: len(_pids(server) - ended) == WORKERS)
        (again,) = _pids(server) - ended - {worker.pid for worker in others}
        psutil.Process(again).kill()
        ended.add(again)
    eventually_now(lambda: len(_pids(server) - ended) == WORKERS)
    assert {worker.pid for worker in others} < _pids(server)
    for _ in range(ROUNDS):
        assert post(server, call("GetProject", "auto", project_id=ID))["result"]


def _pids(server: Served) -> set[int]:
    return {worker.pid for worker in workers_of(server)}


def test_calls_in_flight_are_answered_before_all_of_them_end(api: FakeApi, server: Served) -> None:
    workers = workers_of(server)
    with httpx2.Client(timeout=30, trust_env=False) as client, api.paused():
        body = call("GetProject", "auto", project_id=ID)
        sent = {**headers_for(body, "auto"), "X-Api-Key": KEY}
        request = client.build_request("POST", f"{server.url}/mcp", json=body, headers=sent)
        answers: list[httpx2.Response] = []
        asking = threading.Thread(target=lambda: answers.append(client.send(request)))
        asking.start()
        eventually_now(lambda: bool(api.asked))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        api.is_open.set()
        asking.join(30)
    assert answers[0].status_code == 200
    assert server.process.wait(30) == 0
    assert not any(worker.is_running() for worker in workers)


def test_workers_end_with_the_process_that_started_them(server: Served) -> None:
    workers = workers_of(server)
    server.process.kill()
    server.process.wait()
    psutil.wait_procs(workers, timeout=20)
    assert not any(worker.is_running() for worker in workers)


def test_what_a_killed_server_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / "createos-workers-left"
    (left / "once").mkdir(parents=True)
    (left / "held").touch()
    os.utime(left, (0, 0))
    other = tmp_path / "createos-workers-other"
    other.symlink_to(tmp_path / "elsewhere")
    with new_worker_directory(tmp_path) as first:
        assert not left.exists()
        first.figures.mkdir()
        os.utime(first.figures.parent, (0, 0))
        with new_worker_directory(tmp_path):
            assert first.figures.exists()
    assert [*tmp_path.iterdir()] == [other]


def test_events_are_not_offered_and_sessions_are_not_kept(server: Served) -> None:
    with httpx2.Client(timeout=30, trust_env=False) as client:
        refused = client.get(f"{server.url}/sse", headers={"X-Api-Key": KEY})
    assert (refused.status_code, refused.json()["error"]) == (404, "no_such_address")


def test_limits_are_shared_out(api: FakeApi) -> None:
    with served(api.url, *FLAGS, "--serve-calls-per-minute", "6") as server:
        body = call("GetQuotas", "auto")
        answers = [json.dumps(post(server, body)) for _ in range(ROUNDS)]
    assert 6 <= sum('"structuredContent"' in answer for answer in answers) <= 8


def test_without_a_choice_to_keep_no_sessions_it_does_not_start(api: FakeApi) -> None:
    with (
        pytest.raises(AssertionError, match="CREATEOS_SERVE_STATELESS=true"),
        served(api.url, "--serve-workers", "2"),
    ):
        pass


def test_a_port_that_somebody_listens_at_is_told_and_not_shared(api: FakeApi) -> None:
    with served(api.url, *FLAGS) as server:
        port = ("--serve-port", str(server.port))
        with (
            pytest.raises(AssertionError, match="cannot be listened at: Address already in use"),
            served(api.url, *FLAGS, *port),
        ):
            pass
