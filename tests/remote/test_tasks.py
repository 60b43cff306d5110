"""Calls that take long, as a client meets them that declares the extension for tasks."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from createos_mcp.contract.values import Json
from createos_mcp.server.tasks import EXTENSION
from tests.apis import FakeApi, fake_api
from tests.eventually import eventually_now
from tests.remote.servers import (
    ACCEPT,
    ID,
    KEY,
    MODERN,
    MODERN_META,
    Served,
    carrier,
    message,
    served,
)

VERSION_ID = "3f0c9a52-0000-4000-8000-000000000002"
BUILDING: Json = {"id": VERSION_ID, "projectId": ID, "versionNumber": 1, "status": "building"}
FAILED: Json = {**BUILDING, "status": "failed", "reason": "npm ended with 1"}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
DECLARED = {**MODERN_META, CAPABILITIES: {"extensions": {EXTENSION: {}}}}
WAIT = {"project_id": ID, "deployment_id": VERSION_ID}


@pytest.fixture
def running() -> Iterator[tuple[FakeApi, Served]]:
    with fake_api() as api, served(api.url) as server:
        api.answer = {"status": "success", "data": BUILDING}
        api.data[f"/v1/projects/{ID}"] = {"id": ID, "uniqueName": "my-app", "type": "upload"}
        api.data[f"/v1/projects/{ID}/deployments/{VERSION_ID}/build-logs"] = []
        api.data[f"/v1/projects/{ID}/environments"] = []
        yield api, server


def ask(
    server: Served,
    method: str,
    mcp_name: str,
    *,
    meta: Json = DECLARED,
    key: str = KEY,
    **params: Json,
) -> httpx2.Response:
    body = message(method, {**params, "_meta": meta})
    headers = {
        **ACCEPT,
        "X-Api-Key": key,
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
        "Mcp-Name": mcp_name,
    }
    return carrier.post(f"{server.url}/mcp", json=body, headers=headers)


def begin(server: Served, tool: str = "WaitForDeployment", **arguments: Json) -> dict[str, Any]:
    given = {**WAIT, **arguments}
    answer = ask(server, "tools/call", tool, name=tool, arguments=given).json()
    result: dict[str, Any] = answer["result"]
    return result


def look(server: Served, task_id: str) -> dict[str, Any]:
    answer = ask(server, "tasks/get", task_id, taskId=task_id).json()
    result: dict[str, Any] = answer["result"]
    return result


def ended(server: Served, task_id: str) -> dict[str, Any]:
    states = [look(server, task_id)]

    def is_over() -> bool:
        states.append(look(server, task_id))
        return states[-1]["status"] not in {"working", "input_required"}

    eventually_now(is_over)
    return states[-1]


def test_a_call_that_lasts_is_a_task_and_its_result_is_that_of_the_call(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    began = begin(server)
    assert began["resultType"] == "task"
    assert began["status"] == "working"
    assert "result" not in look(server, began["taskId"])
    api.answer = {"status": "success", "data": FAILED}
    over = ended(server, began["taskId"])
    assert over["status"] == "completed"
    given: Json = {"name": "WaitForDeployment", "arguments": WAIT}
    direct = ask(server, "tools/call", "WaitForDeployment", meta=MODERN_META, **given)
    assert over["result"]["structuredContent"]["status"] == "failed"
    told = direct.json()["result"]["structuredContent"]
    assert over["result"]["structuredContent"].keys() == told.keys()
    assert told["status"] == "failed"


def test_a_call_that_ends_soon_is_answered_with_its_result(
    running: tuple[FakeApi, Served],
) -> None:
    api, server = running
    api.answer = {"status": "success", "data": FAILED}
    result = begin(server)
    assert result["resultType"] == "complete"
    assert "npm ended with 1" in result["content"][0]["text"], result


def test_a_client_that_declares_no_tasks_waits(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    answer = ask(
        server,
        "tools/call",
        "WaitForDeployment",
        meta=MODERN_META,
        name="WaitForDeployment",
        arguments={**WAIT, "timeoutSeconds": 2},
    )
    assert answer.json()["result"]["resultType"] == "complete"


def test_a_task_that_is_cancelled_asks_nothing_more(running: tuple[FakeApi, Served]) -> None:
    api, server = running
    task_id = begin(server)["taskId"]
    done = ask(server, "tasks/cancel", task_id, taskId=task_id)
    assert done.json()["result"]["resultType"] == "complete"
    assert ended(server, task_id)["status"] == "cancelled"
    time.sleep(0.3)
    asked = len(api.asked)
    time.sleep(2)
    assert len(api.asked) == asked


def test_a_task_is_nobody_elses(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    task_id = begin(server)["taskId"]
    for method in ("tasks/get", "tasks/cancel"):
        answer = ask(server, method, task_id, key="skp_thief", taskId=task_id)
        assert answer.json()["error"]["code"] == -32602
    assert look(server, task_id)["status"] == "working"


def test_who_declares_no_tasks_may_not_ask_for_them(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    answer = ask(server, "tasks/get", "x", meta=MODERN_META, taskId="x")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32021
    required = answer.json()["error"]["data"]["requiredCapabilities"]
    assert required == {"extensions": {EXTENSION: {}}}


def test_the_header_names_the_task(running: tuple[FakeApi, Served]) -> None:
    _, server = running
    task_id = begin(server)["taskId"]
    answer = ask(server, "tasks/get", "another", taskId=task_id)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020


def test_replicas_offer_no_tasks() -> None:
    keys = {"CREATEOS_SERVE_STATE_KEYS": "a" * 64}
    with fake_api() as api, served(api.url, "--serve-stateless", variables=keys) as server:
        answer = ask(server, "server/discover", "").json()
        assert EXTENSION not in answer["result"]["capabilities"].get("extensions", {})
