"""Sentences of results that have to be true, on a real platform, through a real client."""

from pathlib import Path

import httpx2
import pytest

from tests.eventually import eventually
from tests.workflows.local_agents import saying, working_in

FAILING = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = {"/": 200, "/broken": 500}.get(self.path, 404)
        if code == 500:
            print("ERROR cannot read the orders", flush=True)
        if self.path == "/die":
            os._exit(3)
        self.send_response(code)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
NO_ROOT = FAILING.replace('{"/": 200, ', '{"/": 404, ')


def write(directory: Path, program: str) -> None:
    (directory / "main.py").write_text(program)


async def test_a_verdict_names_the_environment_its_version_and_its_answer(
    data_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path, saying("one"))
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id="names-it", directory=".")
    (served,) = verdict["environments"]
    assert served == {"name": "production", "version": 1, "url": verdict["url"], "answered": 200}
    assert verdict["next"] == "Tell the user that it is live in production, with the url."


async def test_a_page_that_is_not_there_is_not_told_to_the_user(
    data_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path, NO_ROOT)
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id="no-root", directory=".")
    assert verdict["environments"][0]["answered"] == 404
    assert verdict["next"].startswith("It runs, but / answers 404")


async def test_a_failed_version_leaves_what_still_serves(data_dir: Path, tmp_path: Path) -> None:
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        write(tmp_path, saying("one"))
        good = await agent.call("Deploy", project_id="still-serves", directory=".")
        write(tmp_path, "raise SystemExit(1)")
        bad = await agent.call("Deploy", project_id="still-serves", directory=".")
        waited = await agent.call(
            "WaitForDeployment", project_id="still-serves", deployment_id=good["deployment_id"]
        )
    assert not bad["live"]
    assert bad["stillServing"] == [{"name": "production", "version": 1, "url": good["url"]}]
    assert waited["live"]


async def test_a_version_that_was_replaced_says_by_which(data_dir: Path, tmp_path: Path) -> None:
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        write(tmp_path, saying("one"))
        first = await agent.call("Deploy", project_id="replaced-app", directory=".")
        write(tmp_path, saying("two"))
        second = await agent.call("Deploy", project_id="replaced-app", directory=".")
        place = {"project_id": "replaced-app", "deployment_id": first["deployment_id"]}
        waited = await agent.call("WaitForDeployment", **place)
        while waited["status"] == "deployed":  # it finishes its requests first
            waited = await agent.call("WaitForDeployment", **place)
    assert (waited["status"], waited["live"]) == ("superseded", False)
    assert waited["supersededBy"] == [{"name": "production", "version": 2, "url": second["url"]}]


async def test_diagnose_finds_what_is_behind_failed_requests_of_an_app_that_runs(
    data_dir: Path, tmp_path: Path
) -> None:
    said = 'asyncpg.exceptions.UndefinedTableError: relation "tag" does not exist'
    write(tmp_path, FAILING.replace("cannot read the orders", said.replace('"', '\\"')))
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id="no-tables", directory=".")
        async with httpx2.AsyncClient(timeout=30) as client:
            await client.get(f"{verdict['url']}/broken")
        found = await agent.call("Diagnose", project_id="no-tables")
    (production,) = found["environments"]
    assert production["errors"]["cause"] == "tables are missing, or a migration did not run"
    assert any("Run the migrations with RunCommand" in step for step in found["next"])


@pytest.mark.parametrize("path", ["/broken", "/die"])
async def test_diagnose_tells_of_failed_requests_and_restarts(
    data_dir: Path, tmp_path: Path, path: str
) -> None:
    name = f"trouble{path.replace('/', '-')}"
    write(tmp_path, FAILING)
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id=name, directory=".")
        calm = await agent.call("Diagnose", project_id=name)
        async with httpx2.AsyncClient(timeout=30) as client:
            for _ in range(3):
                await client.get(f"{verdict['url']}{path}")
        found = await eventually(
            lambda: agent.call("Diagnose", project_id=name),
            lambda seen: path == "/broken" or "restarts" in seen["environments"][0],
        )  # an exit is seen a moment after the request that ended with it
        status = await agent.call("Status")
    assert calm["next"][0].startswith("Nothing wrong was seen: ")
    assert "/ of production answers 200" in calm["next"][0]
    assert not found["next"][0].startswith("Nothing wrong")
    (production,) = found["environments"]
    (row,) = [row for row in status["projects"] if row["project"] == name]
    if path == "/broken":
        assert production["lastHour"]["failed5xx"] == 3
        assert production["lastHour"]["paths"][0]["path"] == "/broken"
        assert "cannot read the orders" in production["errors"]["log"]
        assert row["failed5xx"] == 3
    else:
        assert production["restarts"] >= 1
        assert "exited with code 3" in production["lastExit"]["reason"]
        assert row["restarts"] >= 1
    assert "Diagnose for " in status["next"]
    assert len(found["next"]) <= 3


async def test_status_tells_of_every_project_in_one_call(data_dir: Path, tmp_path: Path) -> None:
    write(tmp_path, saying("here"))
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id="seen-app", directory=".")
        names = {"uniqueName": "empty-app", "displayName": "empty-app", "type": "upload"}
        await agent.call("CreateProject", **names, settings={})
        rows = {row["project"]: row for row in (await agent.call("Status"))["projects"]}
        await agent.call("CreateApp", name="one-app")
        await agent.call("AddProjectsToApp", app_id="one-app", projectIds=["empty-app"])
        of_app = (await agent.call("Status", app_id="one-app"))["projects"]
        listed = {
            row["uniqueName"]: row["extra"]
            for row in (await agent.call("ListProjects", limit=20))["items"]
        }
    assert [row["project"] for row in of_app] == ["empty-app"]
    assert listed["empty-app"] == {"newest": "never deployed", "serving": []}
    (serving,) = listed["seen-app"]["serving"]
    assert serving == {
        "environment": "production",
        "version": 1,
        "state": "deployed",
        "endpoint": verdict["url"],
    }
    assert rows["empty-app"]["state"] == "never deployed"
    assert rows["seen-app"]["state"] == "deployed"
    assert (rows["seen-app"]["version"], rows["seen-app"]["url"]) == (1, verdict["url"])


async def test_variables_of_the_platform_are_refused_or_left_out_of_a_file(
    data_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path, saying("here"))
    (tmp_path / "app.env").write_text("PORT=80\nNAME=value\n")
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        await agent.call("Deploy", project_id="own-variables", directory=".")
        place = {"project_id": "own-variables"}
        refused = await agent.refusal("SetEnvironmentVariables", **place, set={"PORT": "80"})
        done = await agent.call(
            "SetEnvironmentVariables", **place, envFile="app.env", unset=["NOT_THERE"]
        )
    assert "the platform sets PORT itself; to change it, set `port`" in refused
    assert (done["added"], done["leftOut"], done["notSet"]) == (["NAME"], ["PORT"], ["NOT_THERE"])


async def test_redeploying_a_version_that_failed_deploys_it_again(
    data_dir: Path, tmp_path: Path
) -> None:
    write(
        tmp_path, saying("here").replace("import http", "import os\nos.environ['K']\nimport http")
    )
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        failed = await agent.call("Deploy", project_id="needs-key", directory=".")
        done = await agent.call(
            "SetEnvironmentVariables", project_id="needs-key", set={"K": "1"}, redeploy=True
        )
    assert not failed["live"]
    assert (done["live"], done["effective"], done["version"]) == (True, True, 2)


async def test_a_wait_that_is_over_tells_how_far_the_build_is(
    data_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path, saying("here"))
    settings = {"buildCommand": "echo working on it; sleep 30"}
    async with working_in(tmp_path, "auto", data_dir=data_dir) as agent:
        verdict = await agent.call(
            "Deploy", project_id="slow-build", directory=".", settings=settings, timeoutSeconds=5
        )
        await agent.call(
            "CancelDeployment", project_id="slow-build", deployment_id=verdict["deployment_id"]
        )
    assert (verdict["stage"], verdict["finished"]) == ("build", False)
    assert "working on it" in verdict["log"]
    assert verdict["silentSeconds"] <= 5
    assert "CancelDeployment" in verdict["next"]
