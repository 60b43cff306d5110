"""The examples that need a service: one call each, and read back after all that may happen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.services.test_kills import SERVICE, kill
from tests.workflows.local_agents import working_in

pytestmark = pytest.mark.examples

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True, kw_only=True)
class Example:
    kind: str
    write: Callable[[httpx2.AsyncClient], Awaitable[None]]
    path: str
    expected: str


async def add_todo(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/", content="buy milk")).is_success


async def count_three(client: httpx2.AsyncClient) -> None:
    for _ in range(3):
        assert (await client.get("/")).is_success


async def add_documents(client: httpx2.AsyncClient) -> None:
    for text in ("the cat sleeps on the sofa", "stocks fell on monday", "a dog barks at the cat"):
        assert (await client.post("/documents", json={"text": text})).is_success


EXAMPLES_OF = {
    "todo-postgres": Example(kind="postgres", write=add_todo, path="/", expected="1: buy milk"),
    "counter-valkey": Example(kind="valkey", write=count_three, path="/", expected="Valkey: "),
    "rag-pgvector": Example(
        kind="postgres",
        write=add_documents,
        path="/search?q=where+is+the+cat",
        expected="the cat sleeps on the sofa",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES_OF)
async def test_it_is_deployed_by_one_call_and_keeps_what_was_written(
    name: str, tmp_path: Path
) -> None:
    example, data_dir = EXAMPLES_OF[name], tmp_path / "data"
    roots = {"CREATEOS_DEPLOY_ROOTS": str(EXAMPLES), "CREATEOS_CONFIRM": "proceed"}
    call = {"project_id": name, "directory": str(EXAMPLES / name), "services": [example.kind]}
    async with working_in(tmp_path, "auto", data_dir=data_dir, variables=roots) as agent:
        deployed = await agent.call("Deploy", **call, timeoutSeconds=300)
        assert deployed["live"] is True, deployed
        async with httpx2.AsyncClient(base_url=deployed["url"], timeout=30) as client:
            await example.write(client)
            assert example.expected in await read(client, example.path)
            again = await agent.call("Deploy", **call, timeoutSeconds=300)
            assert (again["live"], again["version"]) == (True, 2)
            assert example.expected in await read(client, example.path)
            kill(PlatformConfig(data_dir=DataDir(data_dir)), SERVICE)
            await eventually(
                lambda: read(client, example.path), lambda text: example.expected in text
            )
            service = f"{name}-{example.kind}"
            made = await agent.call("BackUpService", service_id=service)
            await agent.call("RestoreService", service_id=service, backup_id=made["id"])
            await eventually(
                lambda: read(client, example.path), lambda text: example.expected in text
            )


async def read(client: httpx2.AsyncClient, path: str) -> str:
    return (await client.get(path)).text
