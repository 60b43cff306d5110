import base64
import io
import os
import socket
import zipfile
from contextlib import suppress
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, processes_of, read_page, running_platform, zip_of

NODE = "require('http').createServer((q, a) => a.end('from node')).listen(process.env.PORT)"


async def test_uploaded_text_files_become_an_app_that_answers_at_three_addresses(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING}, name="my-app")
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        environment = await api.environment(deployment["projectId"])
        assert environment["uniqueName"] == "production"
        assert environment["projectDeploymentId"] == deployment["id"]
        assert await read_page(deployment["extra"]["endpoint"]) == "hello"
        assert await read_page(environment["extra"]["endpoint"]) == "hello"
        async with httpx2.AsyncClient() as client:
            by_host = await client.get(
                f"http://127.0.0.1:{api.gateway_port}/",
                headers={"Host": "production-my-app.localhost"},
            )
        assert by_host.text == "hello"


async def test_base64_files_arrive_byte_for_byte(tmp_path: Path) -> None:
    picture = bytes(range(256))
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(runtime="static:latest")
        files = [
            {"path": "index.html", "content": base64.b64encode(b"<p>hi</p>").decode()},
            {"path": "img/logo.bin", "content": base64.b64encode(picture).decode()},
        ]
        _, data = await api.request(
            "PUT", f"/v1/projects/{project_id}/deployments/files/base64", json={"files": files}
        )
        deployment = await api.wait(project_id, data["id"])
        async with httpx2.AsyncClient(base_url=deployment["extra"]["endpoint"]) as client:
            assert (await client.get("/")).text == "<p>hi</p>"
            assert (await client.get("/img/logo.bin")).content == picture


async def test_a_zip_is_unpacked_and_deployed(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        packed = zip_of({"folder/main.py": ANSWERING, "folder/data/x.txt": "x"})
        _, data = await api.request(
            "PUT",
            f"/v1/projects/{project_id}/deployments/upload-zip",
            files={"file": ("app.zip", packed, "application/zip")},
        )
        deployment = await api.wait(project_id, data["id"])
        assert await read_page(deployment["extra"]["endpoint"]) == "hello"


async def test_a_hostile_zip_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        project_id = await api.create_project()
        status, message = await api.request(
            "PUT",
            f"/v1/projects/{project_id}/deployments/upload-zip",
            files={"file": ("app.zip", zip_of({"../../escaped": "x"}), "application/zip")},
        )
        assert status == 400
        assert "../../escaped" in message
        listed = await api.get(f"/v1/projects/{project_id}/deployments")
        assert listed["data"] == []
        assert not list((tmp_path / "data" / "sources").glob("*"))
        assert not list(tmp_path.rglob("escaped"))


async def test_variables_of_the_settings_reach_the_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING}, runEnvs={"GREETING": "good day"})
        assert await read_page(deployment["extra"]["endpoint"]) == "good day"


async def test_an_app_that_ignores_port_is_found_where_it_listens(tmp_path: Path) -> None:
    app = ANSWERING.replace('int(os.environ["PORT"])', "8123")
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": app}, port=3000)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == "hello"


async def test_two_apps_with_the_same_fixed_port_run_side_by_side(tmp_path: Path) -> None:
    app = ANSWERING.replace('int(os.environ["PORT"])', "8123")
    async with running_platform(tmp_path) as api:
        one = await api.deploy({"main.py": app}, name="app-one", runEnvs={"GREETING": "one"})
        if one["extra"]["isolation"] == "none":
            pytest.skip("apps share the machine's ports without bubblewrap")
        two = await api.deploy({"main.py": app}, name="app-two", runEnvs={"GREETING": "two"})
        assert await read_page(one["extra"]["endpoint"]) == "one"
        assert await read_page(two["extra"]["endpoint"]) == "two"


async def test_without_a_sandbox_an_app_whose_port_is_taken_is_told_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = ANSWERING.replace('("", int(os.environ["PORT"]))', str(taken.getsockname()))
        async with running_platform(tmp_path, isolation="none") as api:
            deployment = await api.deploy({"main.py": app})
            assert deployment["status"] == "crashing"
            assert "listen on the port in PORT" in await api.build_log(deployment)


async def test_an_app_that_exits_is_crashing_with_its_last_words(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": "print('no database here'); raise SystemExit(3)"})
        assert deployment["status"] == "crashing"
        assert "3" in deployment["reason"]
        assert "no database here" in await api.build_log(deployment)


async def test_an_app_that_never_listens_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    silent = "import time; print('just thinking', flush=True); time.sleep(600)"
    async with running_platform(tmp_path, start_timeout_s=1) as api:
        deployment = await api.deploy({"main.py": silent})
        assert deployment["status"] == "error"
        assert "port" in deployment["reason"]
        assert "just thinking" in await api.build_log(deployment)


async def test_a_failing_build_names_the_command_and_shows_its_output(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(
            {"main.py": ANSWERING}, buildCommand="echo no compiler >&2; exit 7"
        )
        assert deployment["status"] == "build_error"
        assert "7" in deployment["reason"]
        assert "no compiler" in await api.build_log(deployment)


async def test_a_build_ends_at_its_time_limit(tmp_path: Path) -> None:
    async with running_platform(tmp_path, build_timeout_s=0.5) as api:
        deployment = await api.deploy({"main.py": ANSWERING}, buildCommand="sleep 600")
        assert deployment["status"] == "build_error"
        assert "minutes" in deployment["reason"]


async def test_build_log_lines_are_readable_while_the_build_runs(tmp_path: Path) -> None:
    build = "echo first line; while [ ! -e go ]; do sleep 0.05; done; echo last line"
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(buildCommand=build)
        deployment_id = await api.upload(project_id, {"main.py": ANSWERING})
        deployment = await api.wait(project_id, deployment_id, "building")
        log = await eventually(lambda: api.build_log(deployment), lambda log: "\nfirst line" in log)
        assert "\nlast line" not in log
        (tmp_path / "releases" / deployment_id / "app" / "go").touch()
        deployment = await api.wait(project_id, deployment_id)
        assert deployment["status"] == "deployed"
        assert "\nlast line" in await api.build_log(deployment)


async def test_cancelling_ends_the_build_and_its_processes(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        # Other tests sleep, too, and this looks at all processes of the machine.
        how_long = f"{10**6 + os.getpid()}"
        project_id = await api.create_project(buildCommand=f"echo started; sleep {how_long}")
        deployment_id = await api.upload(project_id, {"main.py": ANSWERING})
        deployment = await api.wait(project_id, deployment_id, "building")
        await eventually(lambda: api.build_log(deployment), lambda log: "\nstarted" in log)
        status, _ = await api.request(
            "POST", f"/v1/projects/{project_id}/deployments/{deployment_id}/cancel"
        )
        assert status == 200
        assert (await api.wait(project_id, deployment_id))["status"] == "cancelled"
        assert not any(f"sleep\0{how_long}\0".encode() in line for line in _command_lines())
        status, message = await api.request(
            "POST", f"/v1/projects/{project_id}/deployments/{deployment_id}/cancel"
        )
        assert (status, "cancelled" in message) == (422, True)


def _command_lines() -> list[bytes]:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        # Others end while this looks.
        with suppress(OSError):
            lines.append(file.read_bytes())
    return lines


async def test_a_new_version_takes_over_without_a_failed_request(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING.replace('"hello"', '"one"')})
        project_id = first["projectId"]
        address = (await api.environment(project_id))["extra"]["endpoint"]
        seen: list[tuple[int, str]] = []
        async with httpx2.AsyncClient() as client, anyio.create_task_group() as tasks:

            async def visit() -> None:
                while True:
                    answer = await client.get(address)
                    seen.append((answer.status_code, answer.text))

            tasks.start_soon(visit)
            second_id = await api.upload(
                project_id, {"main.py": ANSWERING.replace('"hello"', '"two"')}
            )
            await api.wait(project_id, second_id, "deployed")
            await api.wait(project_id, first["id"], "sleeping")
            tasks.cancel_scope.cancel()
        assert {status for status, _ in seen} == {200}
        assert await read_page(address) == "two"


async def test_a_version_that_fails_leaves_the_one_before_it_serving(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING})
        project_id = first["projectId"]
        bad = await api.wait(project_id, await api.upload(project_id, {"main.py": "1/0"}))
        assert bad["status"] == "crashing"
        address = (await api.environment(project_id))["extra"]["endpoint"]
        assert await read_page(address) == "hello"


async def test_retriggering_builds_the_same_files_with_the_projects_present_settings(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        first = await api.deploy({"main.py": ANSWERING}, runEnvs={"GREETING": "old"})
        project_id = first["projectId"]
        await api.request(
            "PUT", f"/v1/projects/{project_id}/settings", json={"runEnvs": {"GREETING": "new"}}
        )
        path = f"/v1/projects/{project_id}/deployments/{first['id']}/retrigger"
        for settings, greeting in (("deployment", "old"), ("project", "new")):
            status, again = await api.request("POST", path, params={"settings": settings})
            assert status == 200, again
            assert again["id"] != first["id"]
            live = await api.wait(project_id, again["id"])
            assert await read_page(live["extra"]["endpoint"]) == greeting


async def test_deleting_a_deployment_takes_its_app_files_and_address(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id, deployment_id = deployment["projectId"], deployment["id"]
        path = f"/v1/projects/{project_id}/deployments/{deployment_id}"
        assert (await api.request("DELETE", path))[0] == 200
        await api.until_gone(path)
        with pytest.raises(httpx2.ConnectError):
            await read_page(deployment["extra"]["endpoint"])
        kept = list(tmp_path.glob(f"*/{deployment_id}"))
        assert kept == [tmp_path / "logs" / deployment_id]
        assert "Building for python" in (kept[0] / "build.log").read_text()
        environment = await api.environment(project_id)
        assert environment["projectDeploymentId"] is None
        async with httpx2.AsyncClient() as client:
            answer = await client.get(environment["extra"]["endpoint"])
        assert (answer.status_code, "deleted" in answer.text) == (503, True)


async def test_deleting_a_project_takes_all_that_it_owns(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        path = f"/v1/projects/{deployment['projectId']}"
        address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
        assert (await api.request("DELETE", path))[0] == 200
        await api.until_gone(path)
        with pytest.raises(httpx2.ConnectError):
            await read_page(address)
        assert not list(tmp_path.glob(f"sources/{deployment['id']}"))
        assert (await api.get("/v1/projects"))["data"] == []
        assert await api.create_project()


async def test_the_download_link_gives_the_uploaded_files_and_only_with_its_signature(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING, "a/b.txt": "deep"})
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}/download"
        link = httpx2.URL((await api.get(path))["downloadUri"])
        answer = await api.client.get(link.raw_path.decode(), headers={"X-Api-Key": ""})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == ["a/b.txt", "main.py"]
            assert archive.read("a/b.txt") == b"deep"
        forged = link.copy_set_param("token", "a.b.c")
        assert (await api.client.get(forged.raw_path.decode())).status_code == 404


async def test_what_the_app_prints_is_its_log(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        await read_page(f"{deployment['extra']['endpoint']}/some/page")
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        await eventually(
            lambda: api.get(f"{path}/deployment-logs"), lambda log: "asked for /some/page" in log
        )


async def test_an_app_that_is_being_replaced_ends_with_the_platform(tmp_path: Path) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{ANSWERING}"
    async with running_platform(tmp_path, stop_timeout_s=2) as api:
        first = await api.deploy({"main.py": stubborn})
        project_id = first["projectId"]
        second_id = await api.upload(project_id, {"main.py": ANSWERING})
        await api.wait(project_id, second_id, "deployed")
        await eventually(
            lambda: read_page(first["extra"]["endpoint"]), lambda page: "asleep" in page
        )
    assert processes_of(tmp_path) == []


MORTAL = ANSWERING.replace("body =", "os._exit(9) if self.path == '/die' else None\n        body =")
"""An app that ends when it is asked to."""


async def test_an_app_that_is_being_restarted_can_be_deleted(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": MORTAL})
        async with httpx2.AsyncClient() as client:
            await client.get(f"{deployment['extra']['endpoint']}/die")
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        await api.wait(deployment["projectId"], deployment["id"], "crashing")
        await api.request("DELETE", path)
        await api.until_gone(path)
        assert processes_of(tmp_path) == []


async def test_an_app_that_crashes_later_is_started_again(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": MORTAL})
        address = deployment["extra"]["endpoint"]
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"{address}/die")).status_code == 502
        project_id, deployment_id = deployment["projectId"], deployment["id"]
        crashing = await api.wait(project_id, deployment_id, "crashing")
        assert "9" in crashing["reason"]
        await api.wait(project_id, deployment_id, "deployed")
        assert await read_page(address) == "hello"


async def test_a_node_app_is_detected_and_runs(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"package.json": "{}", "index.js": NODE}, runtime="node:20")
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == "from node"


async def test_a_missing_toolchain_is_a_build_error_that_says_how_to_get_it(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api:
        files = {"Cargo.toml": '[package]\nname = "x"\nversion = "0.1.0"', "src/main.rs": ""}
        deployment = await api.deploy(files, runtime="rust:9.99")
        assert deployment["status"] == "build_error"
        assert "rustup.rs" in deployment["reason"]


async def test_builds_wait_for_one_another_and_one_that_waits_can_be_cancelled(
    tmp_path: Path,
) -> None:
    build = "while [ ! -e $UV_CACHE_DIR/../begin ]; do sleep 0.05; done"
    async with running_platform(tmp_path, builds_at_once=1) as api:
        project_id = await api.create_project(buildCommand=build)
        ids = [await api.upload(project_id, {"main.py": ANSWERING}) for _ in range(3)]
        first, second, third = ids
        await api.wait(project_id, first, "building")
        for waiting in (second, third):
            assert (await api.wait(project_id, waiting, "queue", "building"))["status"] == "queue"
        path = f"/v1/projects/{project_id}/deployments/{second}/cancel"
        assert (await api.request("POST", path))[0] == 200
        (tmp_path / "cache" / project_id).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / project_id / "begin").touch()
        await api.wait(project_id, third, "deployed")
        assert (await api.wait(project_id, second))["status"] == "cancelled"
        assert (await api.wait(project_id, first))["status"] in {"deployed", "sleeping"}
