import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.platform.api.app import HANDLERS
from tests.platform.answering_engines import answering_engine
from tests.platform.platforms import ANSWERING, Api, running_platform

PROJECT = {
    "uniqueName": "my-app",
    "displayName": "My app",
    "type": "upload",
    "source": {},
    "settings": {"runtime": "node:20", "port": 3000},
}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs images")

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def test_an_answer_without_a_good_key_is_401_in_the_envelope_and_says_what_is_wrong(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        for key, sentence in (("", "has no API key"), ("skp_wrong", "unknown")):
            answer = await api.client.get("/v1/projects", headers={"X-Api-Key": key})
            assert answer.status_code == 401
            assert answer.json()["status"] == "fail"
            assert sentence in answer.json()["data"]
            assert "www-authenticate" in answer.headers


async def test_every_operation_has_a_route_and_is_served(tmp_path: Path) -> None:
    catalog = load_catalog(local=True)
    assert HANDLERS.keys() == catalog.operations.keys()
    async with running_platform(tmp_path) as api:
        for operation in catalog.operations.values():
            path = operation.http.path
            for argument in operation.input_schema["properties"]:
                path = path.replace(f"{{{argument}}}", NOWHERE)
            status, _ = await api.request(operation.http.method, path)
            assert status < 500, operation.name


async def test_the_openapi_document_describes_every_route_and_needs_no_key(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        answer = await api.client.get("/api-docs/openapi.json", headers={"X-Api-Key": ""})
    document = answer.json()
    described = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    catalog = load_catalog(local=True)
    assert described.keys() == catalog.operations.keys()
    body = described["CreateProject"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == catalog.operations["CreateProject"].input_schema["required"]
    assert not any("501" in operation["responses"] for operation in described.values())
    assert answer_schema(described["ListProjects"])["properties"]["data"]["type"] == "array"
    assert answer_schema(described["ListApps"])["type"] == "array"
    assert answer_schema(described["DeleteApp"]) == {"type": "string"}
    assert answer_schema(described["GetDeploymentLogs"]) == {"type": "string"}
    assert "uniqueName" in answer_schema(described["GetProject"])["required"]


def answer_schema(described: Json) -> Json:
    """The schema of `data` in a successful answer."""
    content = described["responses"]["200"]["content"]["application/json"]
    return content["schema"]["properties"]["data"]


async def test_an_unknown_route_and_method_answer_in_the_envelope(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        assert (await api.request("GET", "/v1/nothing"))[0] == 404
        assert (await api.request("PATCH", "/v1/projects"))[0] == 405


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"uniqueName": "no"}, "uniqueName"),
        ({"uniqueName": "with space"}, "uniqueName"),
        ({"type": "banana"}, "type"),
        ({"settings": {"port": 0}}, "settings.port"),
        ({"settings": {"port": "many"}}, "settings.port"),
        ({"type": "image", "settings": {"port": 80, "runtime": "node:20"}}, "settings.runtime"),
        ({"surprise": 1}, "surprise"),
        ({"settings": {"runtime": "cobol:1"}}, "python:3.12"),
        ({"settings": {"framework": "rails"}}, "django"),
        ({"settings": {"runEnvs": {"A=B": "x"}}}, "runEnvs: 'A=B'"),
        ({"settings": {"buildVars": {"A": "\0"}}}, "buildVars"),
    ],
)
async def test_a_bad_body_is_400_and_names_the_field(
    changes: Json, named: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        status, message = await api.request("POST", "/v1/projects", json={**PROJECT, **changes})
    assert status == 400
    assert named in message


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_400(body: bytes, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        status, message = await api.request(
            "POST", "/v1/projects", content=body, headers={"content-type": "application/json"}
        )
    assert status == 400
    assert "JSON" in message


async def test_a_project_is_created_read_changed_and_listed(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        status, created = await api.request("POST", "/v1/projects", json=PROJECT)
        assert status == 201
        path = f"/v1/projects/{created['id']}"
        project = await api.get(path)
        assert {k: project[k] for k in PROJECT} == PROJECT
        renamed = {
            "displayName": "Renamed",
            "description": "New words",
            "enabledSecurityScan": False,
        }
        assert (await api.request("PUT", path, json=renamed))[0] == 200
        assert (await api.request("PUT", f"{path}/settings", json={"port": 4000}))[0] == 200
        project = await api.get(path)
        assert (project["displayName"], project["description"]) == ("Renamed", "New words")
        assert project["settings"] == {"runtime": "node:20", "port": 4000}
        listed = await api.get("/v1/projects?name=my-a&type=upload&status=active")
        assert [row["id"] for row in listed["data"]] == [created["id"]]
        assert (await api.get("/v1/projects?name=other"))["data"] == []


async def test_a_taken_name_is_409_whatever_its_case(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        await api.request("POST", "/v1/projects", json=PROJECT)
        status, message = await api.request(
            "POST", "/v1/projects", json={**PROJECT, "uniqueName": "MY-APP"}
        )
        assert status == 409
        assert "MY-APP" in message
        _, free = await api.request(
            "POST", "/v1/projects/available-unique-name", json={"uniqueName": "my-app"}
        )
        assert free == {"isAvailable": False}


async def test_lists_are_paged_newest_first_and_say_how_many_there_are(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        for number in range(5):
            await api.create_project(f"app-{number}")
        page = await api.get("/v1/projects?limit=2&offset=1")
        assert [row["uniqueName"] for row in page["data"]] == ["app-3", "app-2"]
        assert page["pagination"] == {"total": 5, "limit": 2, "offset": 1, "count": 2}
        status, message = await api.request("GET", "/v1/projects?limit=500")
        assert (status, "limit" in message) == (400, True)


async def test_the_number_of_projects_is_limited_and_shown_as_a_quota(tmp_path: Path) -> None:
    async with running_platform(tmp_path, max_projects=1) as api:
        await api.create_project()
        assert (await api.get("/v1/quotas"))["projects"] == {
            "current": 1,
            "max": 1,
            "remaining": 0,
        }
        status, message = await api.request("POST", "/v1/projects", json=PROJECT)
        assert status == 429
        assert "1" in message


@AS_ROOT
async def test_settings_that_do_not_fit_the_projects_type_are_400_and_say_which_do(
    tmp_path: Path,
) -> None:
    async with (
        answering_engine(tmp_path) as engine,
        running_platform(tmp_path, docker_host=engine) as api,
    ):
        image = {**PROJECT, "type": "image", "source": {}, "settings": {"port": 80}}
        _, created = await api.request("POST", "/v1/projects", json=image)
        status, message = await api.request(
            "PUT", f"/v1/projects/{created['id']}/settings", json={"port": 80, "runtime": "node:20"}
        )
    assert status == 400
    assert "runtime" in message
    assert "image" in message


@AS_ROOT
async def test_files_go_only_to_upload_projects(tmp_path: Path) -> None:
    async with (
        answering_engine(tmp_path) as engine,
        running_platform(tmp_path, docker_host=engine) as api,
    ):
        image = {**PROJECT, "type": "image", "settings": {"port": 80}}
        _, created = await api.request("POST", "/v1/projects", json=image)
        status, message = await api.request(
            "PUT",
            f"/v1/projects/{created['id']}/deployments/files",
            json={"files": [{"path": "a", "content": ""}]},
        )
    assert status == 422
    assert "image" in message


async def test_a_key_works_until_it_is_revoked_and_its_secret_is_shown_once(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        key = {"name": "deploy-bot", "expiryAt": in_an_hour()}
        status, created = await api.request("POST", "/v1/api-keys", json=key)
        assert status == 201
        headers = {"X-Api-Key": created["secret"]}
        assert (await api.client.get("/v1/projects", headers=headers)).status_code == 200
        listed = await api.get("/v1/api-keys")
        assert "deploy-bot" in [row["name"] for row in listed]
        assert created["secret"] not in str(listed)
        assert created["secret"].encode() not in database_bytes(tmp_path)
        assert (await api.request("DELETE", f"/v1/api-keys/{created['id']}"))[0] == 200
        assert (await api.client.get("/v1/projects", headers=headers)).status_code == 401


async def test_keys_are_limited_and_their_expiry_lies_in_the_future(tmp_path: Path) -> None:
    async with running_platform(tmp_path, max_api_keys=1) as api:
        late = {"name": "deploy-bot", "expiryAt": "2020-01-01T00:00:00Z"}
        assert (await api.request("POST", "/v1/api-keys", json=late))[0] == 400
        more = {"name": "deploy-bot", "expiryAt": in_an_hour()}
        status, message = await api.request("POST", "/v1/api-keys", json=more)
    assert (status, "limit" in message) == (400, True)


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def database_bytes(root: Path) -> bytes:
    return b"".join(file.read_bytes() for file in root.glob("platform.db*"))


async def test_nobody_sees_a_project_by_a_made_up_id(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        for path in ("", "/environments", "/deployments"):
            assert (await api.request("GET", f"/v1/projects/{NOWHERE}{path}"))[0] == 404


async def test_a_multipart_body_without_its_part_is_400_and_names_it(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        path = f"/v1/projects/{project_id}/deployments/upload-zip"
        wrong = {"other": ("a.zip", io.BytesIO(b"x"), "application/zip")}
        status, message = await api.request("PUT", path, files=wrong)
        assert (status, "file" in message) == (400, True)
        status, message = await api.request("PUT", path, json={})
        assert (status, "multipart" in message) == (400, True)


async def test_everything_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project("kept-app", runtime="python:3.11")
        deployment_id = await api.upload(project_id, {"main.py": ANSWERING})
        await api.wait(project_id, deployment_id, "deployed")
        before = await snapshot(api, project_id)
    async with running_platform(tmp_path) as api:
        await api.wait(project_id, deployment_id, "deployed")
        after = await snapshot(api, project_id)
    assert after == before


async def snapshot(api: Api, project_id: str) -> Json:
    path = f"/v1/projects/{project_id}"
    deployments = (await api.get(f"{path}/deployments"))["data"]
    environment = await api.environment(project_id)
    changing = ("updatedAt", "extra")
    return [
        {k: v for k, v in row.items() if k not in changing}
        for row in (await api.get(path), environment, *deployments)
    ] + [environment["extra"]["endpoint"]]
