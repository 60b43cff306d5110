import pytest
from mcp_types import PromptReference, ResourceTemplateReference

from createos_mcp.contract.values import Json
from createos_mcp.server.toolsets import Selection
from tests.agents import Agent, agent
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"
PROJECT = f"/v1/projects/{ID}"
PROMPT = PromptReference(name="roll-back")

DATA: dict[str, Json] = {
    "/v1/projects": [
        {"id": ID, "uniqueName": "shop"},
        {"id": "p2", "uniqueName": "my-shop"},
        {"id": "p3", "uniqueName": "blog"},
    ],
    f"{PROJECT}/environments": [
        {"id": "e1", "uniqueName": "production", "branch": "main"},
        {"id": "e2", "uniqueName": "staging", "branch": "develop"},
    ],
    f"{PROJECT}/deployments": {"data": [{"id": "d1"}], "pagination": {"total": 1}},
    "/v1/projects/supported": [
        {"type": "runtime", "name": "node:20", "runtimes": ["node:20"]},
        {"type": "framework", "name": "nextjs", "runtimes": ["node:20", "node:22"]},
    ],
}


async def complete(
    here: Agent,
    argument: str,
    typed: str,
    filled_in: dict[str, str] | None = None,
    ref: PromptReference | ResourceTemplateReference = PROMPT,
) -> list[str]:
    completed = await here.client.complete(
        ref, {"name": argument, "value": typed}, context_arguments=filled_in
    )
    return completed.completion.values


@both_eras
async def test_names_are_completed_those_that_begin_so_first(era: Era) -> None:
    async with agent(era) as here:
        here.api.data |= DATA
        assert await complete(here, "project_id", "SH") == ["shop", "my-shop"]
        assert await complete(here, "project_id", "") == ["shop", "my-shop", "blog"]
        assert await complete(here, "runtime", "node") == ["node:20", "node:22"]
        assert await complete(here, "framework", "") == ["nextjs"]
        template = ResourceTemplateReference(uri="createos://projects/{project_id}")
        assert await complete(here, "project_id", "bl", ref=template) == ["blog"]


@both_eras
async def test_what_belongs_to_a_project_needs_the_project_first(era: Era) -> None:
    async with agent(era) as here:
        here.api.data |= DATA
        assert await complete(here, "environment_id", "") == []
        shop = {"project_id": "shop"}
        assert await complete(here, "environment_id", "s", shop) == ["staging"]
        assert await complete(here, "branch", "", shop) == ["main", "develop"]
        assert await complete(here, "deployment_id", "", shop) == ["latest", "d1"]


@both_eras
@pytest.mark.parametrize("argument", ["directory", "nothing"])
async def test_what_no_list_tells_is_not_completed(era: Era, argument: str) -> None:
    async with agent(era) as here:
        assert await complete(here, argument, "a") == []
        assert here.api.asked == []


@both_eras
async def test_a_list_that_cannot_be_read_completes_nothing(era: Era) -> None:
    async with agent(era) as here:
        here.api.status = 500
        assert await complete(here, "project_id", "a") == []
    excluded = Selection(exclude_tools=frozenset({"ListProjects"}))
    async with agent(era, selection=excluded) as here:
        assert await complete(here, "project_id", "a") == []
        assert here.api.asked == []
