"""Variables that are replaced as a whole, and put back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from createos_mcp.contract.values import Json
from tests.platform.platforms import Api, running_platform


async def replace(api: Api, project_id: str, variables: dict[str, str]) -> str:
    """The sentence of the call that replaces production's variables."""
    production = await api.environment(project_id)
    path = f"/v1/projects/{project_id}/environments/{production['id']}/environment-variables"
    status, sentence = await api.request("PUT", path, json={"runEnvs": variables})
    assert status == 200, sentence
    return str(sentence)


async def restore(api: Api, project_id: str, **where: str) -> tuple[int, Json]:
    return await api.request("POST", f"/v1/projects/{project_id}/variables/restore", json=where)


async def held(api: Api, project_id: str) -> Json:
    return (await api.environment(project_id))["settings"]["runEnvs"]


async def test_what_was_replaced_is_put_back_and_the_answer_says_how(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        production_id = (await api.environment(project_id))["id"]
        first = await replace(api, project_id, {"TOKEN": "one", "URL": "two"})
        second = await replace(api, project_id, {})
        assert await held(api, project_id) == {}
        status, sentence = await restore(api, project_id, environmentId=production_id)
        assert await held(api, project_id) == {"TOKEN": "one", "URL": "two"}
    assert "RestoreVariables" not in first
    assert f'RestoreVariables with "environmentId": "{production_id}"' in second
    assert (status, sentence.startswith("Restored: TOKEN, URL.")) == (200, True)
    assert "one" not in sentence


async def test_restoring_twice_brings_back_what_was_there_before(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        production_id = (await api.environment(project_id))["id"]
        await replace(api, project_id, {"A": "1"})
        await replace(api, project_id, {"B": "2"})
        await restore(api, project_id, environmentId=production_id)
        assert await held(api, project_id) == {"A": "1"}
        await restore(api, project_id, environmentId=production_id)
        assert await held(api, project_id) == {"B": "2"}


async def test_the_variables_of_a_project_are_kept_too(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runEnvs={"KEPT": "yes"}, buildVars={"LEVEL": "3"})
        path = f"/v1/projects/{project_id}/settings"
        _, sentence = await api.request("PUT", path, json={"runEnvs": {}, "buildVars": {}})
        assert "RestoreVariables puts them back" in sentence
        assert (await restore(api, project_id))[0] == 200
        settings = (await api.get(f"/v1/projects/{project_id}"))["settings"]
    assert (settings["runEnvs"], settings["buildVars"]) == ({"KEPT": "yes"}, {"LEVEL": "3"})


async def test_after_a_week_nothing_is_left_to_restore(tmp_path: Path) -> None:
    moment = datetime.now(UTC)
    async with running_platform(tmp_path, now=lambda: moment) as api:
        project_id = await api.create_project()
        production_id = (await api.environment(project_id))["id"]
        await replace(api, project_id, {"A": "1"})
        await replace(api, project_id, {})
        moment += timedelta(days=7, seconds=1)
        status, sentence = await restore(api, project_id, environmentId=production_id)
    assert (status, "in the last 7 days" in sentence) == (422, True)


async def test_nobody_restores_the_variables_of_another_project(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        other_id = await api.create_project("other-app")
        production_id = (await api.environment(project_id))["id"]
        await replace(api, project_id, {"A": "1"})
        await replace(api, project_id, {})
        assert (await restore(api, other_id, environmentId=production_id))[0] == 404
        assert (await restore(api, other_id))[0] == 422
