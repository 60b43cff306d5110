"""Where Deploy sends a deployment on the cloud, whose environments promote by their own rule."""

import pytest

from createos_mcp.contract.values import Json
from tests.agents import agent, data_of, text_of
from tests.apis import Asked
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"
PRODUCTION, STAGING = ID[:-1] + "2", ID[:-1] + "3"
DEPLOYMENT = ID[:-1] + "4"
FILES = [{"path": "main.py", "content": "x"}]


class Cloud:
    """One project with two environments."""

    def __init__(self, *, promotes: bool, exists: bool = True) -> None:
        self.served: str | None = None
        project = {"id": ID, "uniqueName": "my-app", "type": "upload", "settings": {}}
        self._projects = [project] if exists else []
        self._promotes = promotes

    def answer(self, asked: Asked) -> tuple[int, Json]:
        return 200, {"status": "success", "data": self._data(asked)}

    def _data(self, asked: Asked) -> Json:
        path = asked.path.partition("?")[0]
        if path == "/v1/projects":
            return self._projects
        if path == f"/v1/projects/{ID}":
            return self._projects[0]
        if path.endswith("/environments"):
            rows = {"production": (PRODUCTION, self._promotes), "staging": (STAGING, False)}
            return [
                {
                    "id": one,
                    "uniqueName": name,
                    "status": "active",
                    "isAutoPromoteEnabled": promotes,
                    "projectDeploymentId": DEPLOYMENT if self.served == one else None,
                }
                for name, (one, promotes) in rows.items()
            ]
        if path.endswith("/assign-deployment"):
            self.served = path.split("/environments/")[1].partition("/")[0]
        return {"id": DEPLOYMENT, "projectId": ID, "status": "deployed"}


def changes(asked: list[Asked]) -> list[str]:
    return [f"{one.method} {one.path}" for one in asked if one.method != "GET"]


@both_eras
async def test_a_deployment_is_assigned_to_the_environment_once_it_is_live(era: Era) -> None:
    async with agent(era) as here:
        cloud = Cloud(promotes=False)
        here.api.respond = cloud.answer
        result = data_of(
            await here.call("Deploy", project_id="my-app", environment_id="staging", files=FILES)
        )
        made = changes(here.api.asked)
    assert cloud.served == STAGING
    assert len(made) == 2
    assert made[0] == f"PUT /v1/projects/{ID}/deployments/files"
    assert STAGING in made[1]
    assert result["live"] is True


@both_eras
@pytest.mark.parametrize("wanted", [{"environment_id": "staging"}, {"promote": False}])
async def test_an_environment_that_would_take_it_too_is_named_before_anything_is_made(
    era: Era, wanted: Json
) -> None:
    async with agent(era) as here:
        here.api.respond = Cloud(promotes=True).answer
        result = await here.call("Deploy", project_id="my-app", files=FILES, **wanted)
        made = changes(here.api.asked)
    assert result.is_error
    assert '"environment_id": "production", "isAutoPromoteEnabled": false' in text_of(result)
    assert made == []


REFUSED: dict[str, tuple[Json, bool, str]] = {
    "both": ({"environment_id": "staging", "promote": False}, True, "leave environment_id out"),
    "unknown": ({"environment_id": "canary"}, True, "expected one of production, staging"),
    "new project": ({"environment_id": "staging"}, False, "does not exist yet"),
    "new project, none": ({"promote": False}, False, "does not exist yet"),
}


@pytest.mark.parametrize(("wanted", "exists", "sentence"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_is_refused_before_anything_is_made(
    wanted: Json,
    exists: bool,  # noqa: FBT001 - a row of the table
    sentence: str,
) -> None:
    async with agent() as here:
        here.api.respond = Cloud(promotes=False, exists=exists).answer
        result = await here.call("Deploy", project_id="my-app", files=FILES, **wanted)
        made = changes(here.api.asked)
    assert result.is_error
    assert sentence in text_of(result)
    assert made == []


async def test_the_name_of_a_new_project_is_told_by_its_argument() -> None:
    async with agent() as here:
        here.api.respond = Cloud(promotes=False, exists=False).answer
        said = text_of(await here.call("Deploy", project_id="a b", files=FILES))
    assert "project_id: expected only letters, digits and hyphens" in said
    assert "uniqueName" not in said
    assert "displayName" not in said
