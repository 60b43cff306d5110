"""Services: a database in one call, reached by what is bound to it and by nothing else."""

import base64
import sqlite3
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.owner_store import open_owner_store
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.states import ProjectStatus
from tests.eventually import eventually
from tests.platform.platforms import another_user, read_page, running_platform
from tests.platform.services.databases import (
    COUNTER_APP,
    TODO_APP,
    bind,
    create_service,
    deploy_bound,
    kill_service,
    page_of,
    post,
    until,
)

pytestmark = pytest.mark.examples


def image_of(**changes: Json) -> Json:
    """A service from an image that nobody has to pull."""
    image = {"reference": "store:1", "port": 80, **changes}
    return {"name": "other", "kind": "image", "image": image}


async def test_what_an_app_keeps_in_postgres_outlives_its_versions_and_the_platform(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        again = await api.upload(deployed["projectId"], TODO_APP)
        assert (await api.wait(deployed["projectId"], again))["status"] == "deployed"
        assert await page_of(api, deployed, "/add/bread") == "milk,bread"
        shown = await api.get(f"/v1/services/{service_id}")
        assert [one["variable"] for one in shown["bindings"]] == ["DATABASE_URL"]
        assert shown["connections"] == 0
        assert shown["dataMb"] > 10
    async with running_platform(tmp_path / "data") as api:
        text = await eventually(lambda: page_of(api, deployed), lambda page: "milk" in page)
        assert text == "milk,bread"


async def test_node_counts_in_valkey_and_goes_on_after_the_service_was_killed(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey", "counts")
        deployed = await deploy_bound(api, COUNTER_APP, service_id, "counter")
        assert [await page_of(api, deployed) for _ in range(3)] == ["1", "2", "3"]
        kill_service(tmp_path / "data", "valkey-server")
        text = await eventually(lambda: page_of(api, deployed), lambda page: page.isdigit())
        assert int(text) >= 4
        assert (await until(api, service_id, "running"))["reason"] is None


async def test_no_other_app_reaches_a_service_nor_sees_its_files(tmp_path: Path) -> None:
    spying = {
        "app.py": """
import http.server, os, socket
def tries():
    yield os.path.exists("/services"), "DATABASE_URL" in os.environ
    for port in (5432, 6379):
        for host in ("127.0.0.1", "10.0.2.2"):
            try:
                socket.create_connection((host, port), 1).close()
                yield "reached", host, port
            except OSError:
                pass
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = repr(list(tries())).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
""",
        "requirements.txt": "",
        "Procfile": "web: python app.py\n",
    }
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        await deploy_bound(api, TODO_APP, service_id, "todo-app")
        other = await api.deploy(spying, "spying")
        assert await page_of(api, other) == "[(False, False)]"


async def test_a_binding_that_goes_takes_its_role_and_open_connections_with_it(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        (bound,) = (await api.get(f"/v1/services/{service_id}"))["bindings"]
        status, told = await api.request("DELETE", f"/v1/services/{service_id}")
        assert (status, "todo-app (production)" in told) == (422, True)
        await api.request("DELETE", f"/v1/services/{service_id}/bindings/{bound['id']}")
        assert "OperationalError" in await page_of(api, deployed)
        other = await deploy_bound(api, TODO_APP, service_id, "another-app")
        assert await page_of(api, other, "/add/bread") == "milk,bread"


async def test_a_new_password_is_in_use_without_a_request_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the platform looks for roles to drop."""
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.01)
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        before = roles(tmp_path / "data")
        (bound,) = (await api.get(f"/v1/services/{service_id}"))["bindings"]
        told = await post(api, f"/v1/services/{service_id}/bindings/{bound['id']}/rotate")
        assert "starts again" in told
        for _ in range(20):
            assert "Error" not in await page_of(api, deployed, "/add/x")
        await eventually(
            lambda: api.environment(deployed["projectId"]), lambda one: one["status"] == "active"
        )
        assert roles(tmp_path / "data") != before
        assert "Error" not in await page_of(api, deployed)
        await eventually(lambda: unbound_roles(tmp_path / "data"), lambda left: not left)


async def unbound_roles(data_dir: Path) -> list[str]:
    """The roles that are still to be dropped."""
    with sqlite3.connect(data_dir / "platform.db") as database:
        return [row[0] for row in database.execute("select role from unbound_roles")]


def roles(data_dir: Path) -> list[str]:
    """The roles that bindings have now."""
    with sqlite3.connect(data_dir / "platform.db") as database:
        return [row[0] for row in database.execute("select role from service_bindings")]


async def test_others_see_nothing_of_a_users_services(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api, another_user(api) as alice:
        service_id = await create_service(api, "valkey")
        project_id = await api.create_project("mine")
        binding = await bind(api, service_id, project_id)
        path = f"/v1/services/{service_id}"
        assert await alice.get("/v1/services") == []
        tries: list[tuple[str, str, Json]] = [
            ("GET", path, None),
            ("PUT", path, {"memory": 128}),
            ("DELETE", path, None),
            ("POST", f"{path}/restart", None),
            ("POST", f"{path}/bindings", {"projectId": project_id}),
            ("DELETE", f"{path}/bindings/{binding['id']}", None),
            ("POST", f"{path}/bindings/{binding['id']}/rotate", None),
            ("POST", f"{path}/backups", None),
            ("POST", f"{path}/backups/{service_id}/restore", {}),
        ]
        for method, place, body in tries:
            options = {"json": body} if body is not None else {}
            assert (await alice.request(method, place, **options))[0] == 404, (method, place)
        own = await create_service(alice, "valkey")
        refused = await alice.request(
            "POST", f"/v1/services/{own}/bindings", json={"projectId": project_id}
        )
        assert refused[0] == 404


async def test_bad_input_names_the_argument_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey", "kept")
        refused: list[tuple[Json, str]] = [
            ({"name": "kept", "kind": "valkey"}, "'kept' is taken"),
            ({"name": "other", "kind": "oracle"}, "kind"),
            ({"name": "No Spaces", "kind": "valkey"}, "name"),
            ({"name": "huge", "kind": "valkey", "sizeMb": 1_000_000}, "sizeMb"),
            ({"name": "other", "kind": "valkey", "image": {"port": 1}}, "image"),
            ({"name": "other", "kind": "image"}, "image.reference"),
            ({"name": "other", "kind": "image", "image": {"reference": "a:1"}}, "image.port"),
            (image_of(port=0), "image.port"),
            (image_of(reference="No Image"), "image"),
            (image_of(dataPath="data"), "image.dataPath"),
            (image_of(dataPath="/a/../etc"), "image.dataPath"),
            (image_of(variables={"A B": "1"}), "image.variables: 'A B'"),
            (image_of(variables={"PASSWORD": 1}), "image.variables: 'PASSWORD'"),
            (image_of(host="0.0.0.0"), "host"),
            ({"name": "other", "kind": "mongodb"}, "Install Docker"),
        ]
        for body, said in refused:
            status, told = await api.request("POST", "/v1/services", json=body)
            assert status in (400, 409, 422), told
            assert said in told
        project_id = await api.create_project("web-app", runEnvs={"MINE": "1"})
        await bind(api, service_id, project_id)
        for variable, said in (("REDIS_URL", "taken"), ("MINE", "is set"), ("9x", "variable")):
            status, told = await api.request(
                "POST",
                f"/v1/services/{service_id}/bindings",
                json={"projectId": project_id, "variable": variable},
            )
            assert status in (400, 409), told
            assert said in told
        assert len((await api.get(f"/v1/services/{service_id}"))["bindings"]) == 1
        assert len(await api.get("/v1/services")) == 1


async def test_services_are_grouped_and_listed_by_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, "valkey")
        app_id = (await post(api, "/v1/apps", name="shop"))["id"]
        path = f"/v1/apps/{app_id}/services"
        await post(api, path, serviceIds=[service_id])
        listed = await api.get(path)
        assert [one["name"] for one in listed["data"]] == ["main"]
        assert listed["pagination"]["total"] == 1
        await post(api, f"{path}/remove", serviceIds=[service_id])
        assert (await api.get(path))["data"] == []
        status, told = await api.request(
            "POST", f"{path}/remove", json={"serviceIds": [service_id]}
        )
        assert (status, "is not in the app" in told) == (400, True)


async def test_a_deleted_service_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        status, told = await api.request("DELETE", f"/v1/services/{service_id}")
        assert status == 200, told
        assert (await api.request("GET", f"/v1/services/{service_id}"))[0] == 404
        assert not (tmp_path / "data" / "services" / service_id).exists()
        assert kill_service(tmp_path / "data", "postgres") == 0


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
async def test_a_service_restarts_with_what_it_may_use_now(tmp_path: Path, kind: str) -> None:
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, kind)
        status, told = await api.request(
            "PUT", f"/v1/services/{service_id}", json={"memory": 384, "sizeMb": 2048}
        )
        assert (status, "was restarted" in told) == (200, True)
        shown = await until(api, service_id, "running")
        assert (shown["memory"], shown["sizeMb"]) == (384, 2048)
        assert "answers" in await post(api, f"/v1/services/{service_id}/restart")


async def test_an_idle_service_sleeps_with_its_apps_and_wakes_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.IDLE_S", 4.0)
    async with running_platform(tmp_path / "data", sleep_after_s=2.0) as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        asleep = await until(api, service_id, "sleeping")
        assert asleep["reason"] == "All that is bound to it sleeps"
        assert await page_of(api, deployed) == "milk"
        assert (await api.get(f"/v1/services/{service_id}"))["status"] == "running"


async def test_a_service_without_room_takes_no_writes_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        url = f"/v1/services/{service_id}"
        await api.request("PUT", url, json={"sizeMb": 90})
        assert await page_of(api, deployed, "/fill") == "milk"
        shown = await until(api, service_id, "read_only")
        assert "UpdateService gives it more" in shown["reason"]
        await eventually(
            lambda: page_of(api, deployed, "/add/bread"),
            lambda page: "ReadOnlySqlTransaction" in page,
        )
        await api.request("PUT", url, json={"sizeMb": 2048})
        await until(api, service_id, "running")
        text = await eventually(
            lambda: page_of(api, deployed, "/add/tea"), lambda page: "tea" in page
        )
        assert text.startswith("milk")


async def test_an_app_that_writes_on_where_nothing_may_be_written_stops_its_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api, sizeMb=70)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        for number in range(4):
            await page_of(api, deployed, f"/fillx{number}")
        shown = await until(api, service_id, "sleeping")
        assert "It was stopped" in shown["reason"]
        url = f"/v1/services/{service_id}"
        await api.request("PUT", url, json={"sizeMb": 2048})
        await post(api, f"{url}/restart")
        text = await eventually(
            lambda: page_of(api, deployed, "/add/tea"), lambda page: "tea" in page
        )
        assert text.startswith("milk")


async def test_the_password_of_a_binding_is_in_no_log_and_no_answer(tmp_path: Path) -> None:
    telling = {
        **TODO_APP,
        "app.py": "import base64, os\nurl = os.environ['DATABASE_URL']\nprint(url, flush=True)\n"
        "print(base64.b64encode(url.encode()).decode(), flush=True)\n" + TODO_APP["app.py"],
        "Procfile": "web: python app.py\nrelease: env\n",
    }
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, telling, service_id, "telling")
        environment = await api.environment(deployed["projectId"])
        project = f"/v1/projects/{deployed['projectId']}"
        place = f"{project}/deployments/{deployed['id']}"
        ran = await post(api, f"{place}/commands", command="env")
        shown = [
            await eventually(
                lambda: api.get(f"{place}/deployment-logs"), lambda text: "postgresql://" in text
            ),
            await api.get(f"{project}/environments/{environment['id']}/logs"),
            await api.build_log(deployed),
            ran["output"],
            str(await api.get(f"/v1/services/{service_id}")),
            str(environment),
        ]
        assert [text.count("********") > 0 for text in shown[:4]] == [True] * 4
        secret = await bound_secret(tmp_path / "data")
        encoded = base64.b64encode(secret.encode()).decode()[4:-4]
        for text in shown:
            assert secret not in text
            assert encoded not in text


async def test_clients_of_libpq_find_a_database_by_its_own_variables(tmp_path: Path) -> None:
    script = "import psycopg; print(psycopg.connect('').execute('select 6 * 7').fetchone())"
    async with running_platform(tmp_path / "data") as api:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        project = f"/v1/projects/{deployed['projectId']}"
        place = f"{project}/deployments/{deployed['id']}"
        connected = await post(api, f"{place}/commands", command=f'python -c "{script}"')
        environment = await api.environment(deployed["projectId"])
        variables = f"{project}/environments/{environment['id']}/environment-variables"
        shown = []
        for other in (
            {"PGHOST": "db.example.com"},
            {"OTHER": "postgres://u:p@db.example.com/x"},
            {"DATABASE_URL": "sqlite:///x"},
        ):
            await api.request("PUT", variables, json={"runEnvs": other})
            told = await post(api, f"{place}/commands", command="env")
            names = [line.partition("=")[0] for line in told["output"].splitlines()]
            shown.append([name for name in names if name.startswith("PG")])
            assert "DATABASE_URL" in names
    assert "(42,)" in connected["output"]
    assert shown == [["PGHOST"], [], []]


async def bound_secret(data_dir: Path) -> str:
    """The password of the only binding, as the owner of the files can read it."""
    async with open_owner_store(DataDir(data_dir)) as store:
        (project,) = await store.projects.in_status(ProjectStatus.ACTIVE)
        (secret,) = await store.services.secrets_of(project.id)
        return secret


async def test_a_project_that_is_transferred_leaves_the_services_of_its_former_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("createos_mcp.platform.services.upkeep.POLL_S", 0.1)
    async with running_platform(tmp_path / "data") as api, another_user(api) as alice:
        service_id = await create_service(api)
        deployed = await deploy_bound(api, TODO_APP, service_id, "todo-app")
        assert await page_of(api, deployed, "/add/milk") == "milk"
        address = (await api.environment(deployed["projectId"]))["extra"]["endpoint"]
        project = f"/v1/projects/{deployed['projectId']}"
        link = await api.get(f"{project}/transfer-uri")
        status, told = await alice.request("GET", f"{project}/transfer?token={link['token']}")
        assert status == 200, told
        assert (await api.get(f"/v1/services/{service_id}"))["bindings"] == []
        await eventually(lambda: read_page(address), lambda page: "OperationalError" in page)
        assert (await api.get(f"/v1/services/{service_id}"))["status"] == "running"
