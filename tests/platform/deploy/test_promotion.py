"""Deployments that go to one environment, or to none, whatever the environments' own rule is."""

from pathlib import Path

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform

STAGING = {
    "uniqueName": "staging",
    "displayName": "staging",
    "resources": {"cpu": 200, "memory": 500, "replicas": 1},
    "settings": {"runEnvs": {}},
}


def saying(text: str) -> dict[str, str]:
    return {"main.py": ANSWERING.replace('"hello"', f'"{text}"')}


async def add_staging(api: Api, project_id: str) -> str:
    path = f"/v1/projects/{project_id}/environments"
    status, data = await api.request("POST", path, json=STAGING)
    assert status == 201, data
    environment_id: str = data["id"]
    return environment_id


async def pages(api: Api, project_id: str) -> dict[str, str]:
    """What each environment answers now."""
    rows: Json = await api.get(f"/v1/projects/{project_id}/environments")
    return {row["uniqueName"]: await read_page(row["extra"]["endpoint"]) for row in rows}


async def test_a_deployment_for_one_environment_leaves_the_others_alone(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy(saying("one"))
        project_id = first["projectId"]
        staging_id = await add_staging(api, project_id)
        second = await api.upload(project_id, saying("two"), promote=staging_id)
        await api.wait(project_id, second, "deployed")
        assert await pages(api, project_id) == {"production": "one", "staging": "two"}


async def test_a_deployment_for_no_environment_answers_at_its_own_address(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy(saying("one"))
        project_id = first["projectId"]
        second = await api.upload(project_id, saying("two"), promote="none")
        deployment = await api.wait(project_id, second, "deployed")
        assert await pages(api, project_id) == {"production": "one"}
        assert await read_page(deployment["extra"]["endpoint"]) == "two"


async def test_what_was_kept_from_production_is_kept_from_it_when_triggered_again(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy(saying("one"))
        project_id = first["projectId"]
        second = await api.upload(project_id, saying("two"), promote="none")
        await api.wait(project_id, second, "deployed")
        path = f"/v1/projects/{project_id}/deployments/{second}/retrigger"
        status, again = await api.request("POST", path)
        assert status == 200
        await api.wait(project_id, again["id"], "deployed")
        assert await pages(api, project_id) == {"production": "one"}


async def test_an_environment_of_another_project_is_refused_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        other = await api.environment(await api.create_project("other-app"))
        body = {"files": [{"path": "main.py", "content": ANSWERING}]}
        path = f"/v1/projects/{project_id}/deployments/files?promote={other['id']}"
        status, sentence = await api.request("PUT", path, json=body)
        assert (status, "environment" in sentence) == (404, True)
        listed = await api.client.get(f"/v1/projects/{project_id}/deployments")
    assert listed.json()["data"]["data"] == []


async def test_a_deleted_environment_takes_nothing(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy(saying("one"))
        project_id = first["projectId"]
        staging_id = await add_staging(api, project_id)
        path = f"/v1/projects/{project_id}/environments"
        slow = {**saying("two"), "Procfile": "release: sleep 1\nweb: python main.py"}
        second = await api.upload(project_id, slow, promote=staging_id)
        await api.request("DELETE", f"{path}/{staging_id}")
        await eventually(lambda: api.get(path), lambda rows: len(rows) == 1)
        await api.wait(project_id, second)
        assert await pages(api, project_id) == {"production": "one"}
