import json
import socket
from pathlib import Path

import anyio
import httpx2
import pytest

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.api.environments import RESOURCES, STAGING, WHO, add, assign, resize, settled
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform


async def test_two_environments_run_one_deployment_with_variables_of_their_own(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runEnvs={"GREETING": "from the project"})
        staging = await add(api, project_id, isAutoPromoteEnabled=True)
        deployment_id = await api.upload(project_id, {"main.py": ANSWERING})
        await api.wait(project_id, deployment_id, "deployed")
        shown = {
            environment["uniqueName"]: environment
            for environment in await api.get(f"/v1/projects/{project_id}/environments")
        }
        assert shown["staging"]["id"] == staging
        assert shown["staging"]["projectDeploymentId"] == deployment_id
        pages = {name: await read_page(row["extra"]["endpoint"]) for name, row in shown.items()}
    assert pages == {"production": "from the project", "staging": "from staging"}


async def test_the_address_that_is_told_answers_when_something_else_has_the_port(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running_platform(tmp_path, app_ports=range(port, port + 500)) as api:
            project = {"uniqueName": "my-app", "displayName": "My app", "type": "upload"}
            body = {**project, "source": {}, "settings": {"useBuildAI": True}}
            told = (await api.request("POST", "/v1/projects", json=body))[1]
            path = f"/v1/projects/{told['id']}/environments"
            staging = (await api.request("POST", path, json=STAGING))[1]
            endpoints = {told["endpoint"], staging["endpoint"]}
            assert {row["extra"]["endpoint"] for row in await api.get(path)} == endpoints
            for endpoint in endpoints:
                assert "Nothing is deployed" in await read_page(endpoint)


async def test_assigning_an_older_deployment_rolls_back_and_wakes_it(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING}, runEnvs={"GREETING": "one"})
        project_id = first["projectId"]
        newer = ANSWERING.replace('environ.get("GREETING", "hello")', 'environ["PATH"] and "two"')
        await api.wait(project_id, await api.upload(project_id, {"main.py": newer}), "deployed")
        await api.wait(project_id, first["id"], "sleeping")
        production = await api.environment(project_id)
        assert await read_page(production["extra"]["endpoint"]) == "two"

        back = await assign(api, project_id, production["id"], first["id"])

        assert back["projectDeploymentId"] == first["id"]
        assert await read_page(back["extra"]["endpoint"]) == "one"
        await api.wait(project_id, first["id"], "deployed")


async def test_a_deployment_that_does_not_start_leaves_the_assigned_one_and_says_why(
    tmp_path: Path,
) -> None:
    picky = f"import os\nassert os.environ.get('STAGE') != 'strict', 'not here'\n{ANSWERING}"
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        strict = await add(
            api, project_id, uniqueName="strict", settings={"runEnvs": {"STAGE": "strict"}}
        )
        await assign(api, project_id, strict, first["id"])
        second_id = await api.upload(project_id, {"main.py": picky})
        second = await api.wait(project_id, second_id, "deployed")

        kept = await assign(api, project_id, strict, second_id)

        assert kept["projectDeploymentId"] == first["id"]
        assert "exited with code 1" in kept["extra"]["message"]
        assert await read_page(kept["extra"]["endpoint"]) == "hello"
        assert "not here" in await api.build_log(second)
        assert (await api.wait(project_id, second_id))["status"] == "deployed"


async def test_new_variables_take_effect_with_a_restart_and_not_before(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING}, runEnvs={"GREETING": "old"})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/environment-variables"
        status, _ = await api.request("PUT", path, json={"runEnvs": {"GREETING": "new"}})
        assert status == 200
        assert await read_page(production["extra"]["endpoint"]) == "old"

        await assign(api, project_id, production["id"], deployment["id"])

        assert await read_page(production["extra"]["endpoint"]) == "new"
        status, message = await api.request("PUT", path, json={"runEnvs": {}, "port": 80})
        assert (status, "image" in message) == (400, True)


async def test_variables_are_replaced_as_a_whole(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        environment_id = await add(api, project_id)
        path = f"/v1/projects/{project_id}/environments/{environment_id}/environment-variables"
        await api.request("PUT", path, json={"runEnvs": {"A": "1"}})
        await api.request("PUT", path, json={"runEnvs": {"B": "2"}})
        shown = await settled(api, project_id, environment_id)
    assert shown["settings"] == {"runEnvs": {"B": "2"}}


async def test_replicas_are_added_and_given_up_where_they_run_and_share_the_requests(
    tmp_path: Path,
) -> None:
    async def names(address: str) -> set[str]:
        return {await read_page(address) for _ in range(12)}

    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": WHO})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        address = production["extra"]["endpoint"]
        alone = await names(address)
        present = production["resources"]
        three = await resize(api, project_id, production["id"], **{**present, "replicas": 3})
        together = await names(address)
        assert three["extra"]["runningReplicas"] == 3, str(three)
        assert len(together) == 3
        assert alone < together

        one = await resize(api, project_id, production["id"], **{**present, "replicas": 1})

        assert one["extra"]["runningReplicas"] == 1
        assert await names(address) == alone
        assert (await api.wait(project_id, deployment["id"]))["status"] == "deployed"


async def test_a_change_of_memory_takes_new_replicas_without_a_failed_request(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": WHO})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        address = production["extra"]["endpoint"]
        statuses: list[int] = []
        before = await read_page(address)
        async with httpx2.AsyncClient() as client, anyio.create_task_group() as tasks:

            async def visit() -> None:
                while True:
                    statuses.append((await client.get(address)).status_code)

            tasks.start_soon(visit)
            resized = await resize(api, project_id, production["id"], memory=700)
            tasks.cancel_scope.cancel()
        assert resized["resources"]["memory"] == 700
        assert await read_page(address) != before
        assert set(statuses) == {200}


async def test_a_replica_that_crashes_is_shown_and_started_again_while_others_answer(
    tmp_path: Path,
) -> None:
    mortal = WHO.replace(
        "    def log_", "    def do_DELETE(self):\n        os._exit(9)\n    def log_"
    )
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": mortal})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        address = production["extra"]["endpoint"]
        present = production["resources"]
        await resize(api, project_id, production["id"], **{**present, "replicas": 2})
        async with httpx2.AsyncClient() as client:
            assert (await client.delete(address)).status_code == 502
            crashing = await api.wait(project_id, deployment["id"], "crashing")
            assert "code 9" in crashing["reason"]
            for _ in range(5):
                assert (await client.get(address)).status_code == 200
            await api.wait(project_id, deployment["id"], "deployed")
            assert len({(await client.get(address)).text for _ in range(8)}) == 2


async def asked_lines(api: Api, path: str) -> list[str]:
    """The lines of a log that tell of requests."""
    return [line for line in (await api.get(path)).splitlines() if "page-" in line]


async def test_logs_of_an_environment_are_those_of_all_replicas_in_order(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        present = production["resources"]
        await resize(api, project_id, production["id"], **{**present, "replicas": 2})
        for number in range(6):
            await read_page(f"{production['extra']['endpoint']}/page-{number}")
        path = f"/v1/projects/{project_id}/environments/{production['id']}/logs"
        lines = await eventually(
            lambda: asked_lines(api, f"{path}?since-seconds=3600"), lambda found: len(found) == 6
        )
        assert [line.split()[-1] for line in lines] == [f"/page-{n}" for n in range(6)]
        assert {line.split()[1] for line in lines} == {"[1]", "[2]"}
        empty = await add(api, project_id)
        status, message = await api.request(
            "GET", f"/v1/projects/{project_id}/environments/{empty}/logs"
        )
        assert (status, "AssignDeployment" in message) == (422, True)


async def test_an_environment_is_renamed_and_told_what_it_takes_by_itself(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        environment_id = await add(api, project_id)
        path = f"/v1/projects/{project_id}/environments/{environment_id}"
        changes = {
            "displayName": "Before live",
            "description": "New words",
            "isAutoPromoteEnabled": True,
            "branch": "next",
        }
        assert (await api.request("PUT", path, json=changes))[0] == 200
        shown = await settled(api, project_id, environment_id)
    assert {name: shown[name] for name in changes} == changes


async def test_deleting_an_environment_takes_its_replicas_address_and_name(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        staging = await add(api, project_id)
        shown = await assign(api, project_id, staging, deployment["id"])
        path = f"/v1/projects/{project_id}/environments/{staging}"
        assert (await api.request("DELETE", path))[0] == 200
        await eventually(
            lambda: api.get(f"/v1/projects/{project_id}/environments"), lambda left: len(left) == 1
        )
        with pytest.raises(httpx2.ConnectError):
            await read_page(shown["extra"]["endpoint"])
        assert (await api.request("DELETE", path))[0] == 404
        assert await add(api, project_id)
        assert (await api.wait(project_id, deployment["id"]))["status"] == "deployed"


async def test_a_name_that_is_taken_is_409_and_known_to_be_taken(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        path = f"/v1/projects/{project_id}/environments"
        free = {"uniqueName": "Production"}
        _, answer = await api.request("POST", f"{path}/available-unique-name", json=free)
        assert answer == {"isAvailable": False}
        status, message = await api.request(
            "POST", path, json={**STAGING, "uniqueName": "PRODUCTION"}
        )
        assert (status, "PRODUCTION" in message) == (409, True)


@pytest.mark.parametrize(
    ("project", "environment", "is_kept"),
    [
        ("shop", "dep-a", True),
        ("shop", "DEP-3f0c", True),
        ("0a1b2c3d", "createos", True),
        ("shop", "createos", False),
        ("shop", "depot", False),
    ],
)
async def test_a_host_name_that_could_be_something_elses_is_refused(
    project: str, environment: str, *, is_kept: bool, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(project)
        path = f"/v1/projects/{project_id}/environments"
        named = {"uniqueName": environment}
        _, answer = await api.request("POST", f"{path}/available-unique-name", json=named)
        assert answer == {"isAvailable": not is_kept}
        status, message = await api.request("POST", path, json={**STAGING, **named})
    assert status == (422 if is_kept else 201)
    assert ("uniqueName" in str(message)) is is_kept


async def test_the_number_of_environments_is_limited(tmp_path: Path) -> None:
    async with running_platform(tmp_path, max_environments=1) as api:
        project_id = await api.create_project()
        status, message = await api.request(
            "POST", f"/v1/projects/{project_id}/environments", json=STAGING
        )
    assert (status, "1 environments" in message) == (429, True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"resources": {**RESOURCES, "cpu": 100}}, "cpu"),
        ({"resources": {**RESOURCES, "memory": 2048}}, "memory"),
        ({"resources": {**RESOURCES, "replicas": 4}}, "replicas"),
        ({"settings": {"runEnvs": {"A B": "1"}}}, "runEnvs: 'A B'"),
        ({"displayName": "no/slash"}, "displayName"),
    ],
)
async def test_what_an_environment_cannot_be_is_400_and_names_the_field(
    changes: Json, named: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        status, message = await api.request(
            "POST", f"/v1/projects/{project_id}/environments", json={**STAGING, **changes}
        )
    assert (status, named in message) == (400, True)


async def test_what_cannot_be_assigned_is_refused(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        failed = await api.deploy({"main.py": ANSWERING}, buildCommand="exit 1")
        project_id = failed["projectId"]
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/assign-deployment"
        status, message = await api.request("POST", path, json={"deploymentId": failed["id"]})
        assert (status, "build_error" in message) == (422, True)
        status, _ = await api.request("POST", path, json={"deploymentId": production["id"]})
        assert status == 404


async def test_names_that_give_the_same_host_name_are_told_apart(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        one = await api.create_project("shop-live")
        await add(api, one, uniqueName="blue")
        other = await api.create_project("live")
        await add(api, other, uniqueName="blue-shop")
        hosts = [
            environment["extra"]["hostEndpoint"]
            for project_id in (one, other)
            for environment in await api.get(f"/v1/projects/{project_id}/environments")
        ]
    assert len(set(hosts)) == 4


async def test_what_was_wanted_of_an_environment_comes_about_after_a_restart(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        staging = await add(api, project_id)
        path = f"/v1/projects/{project_id}/environments/{staging}/assign-deployment"
        await api.request("POST", path, json={"deploymentId": deployment["id"]})
    async with running_platform(tmp_path) as api:
        shown = await settled(api, project_id, staging)
        assert shown["projectDeploymentId"] == deployment["id"]
        assert await read_page(shown["extra"]["endpoint"]) == "from staging"
        assert json.dumps(RESOURCES) in json.dumps(shown["resources"])
