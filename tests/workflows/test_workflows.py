"""What each workflow does, on a real platform, in both eras."""

from pathlib import Path

import httpx2

from createos_mcp.platform.git.bare_repositories import BareRepository
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.repositories import create_repository
from tests.eras import Era, both_eras
from tests.platform.platforms import read_page
from tests.workflows.local_agents import CRASHING, saying, working_in


@both_eras
async def test_a_directory_becomes_a_url_that_answers(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(saying("from a directory"))
    (tmp_path / ".env").write_text("TOKEN=never-deployed\n")
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        verdict = await agent.call_with_progress(
            "Deploy", project_id=f"directory-{era}", directory="."
        )
        again = await agent.call("WaitForDeployment", project_id=f"directory-{era}")
    assert (verdict["status"], verdict["live"], verdict["created"]) == ("deployed", True, True)
    assert "from a directory" in verdict["health"]["page"]
    assert await read_page(verdict["url"]) == "from a directory"
    assert verdict["source"]["files"] == 1
    assert verdict["source"]["withheld"] == [".env"]
    assert again["deployment_id"] == verdict["deployment_id"]
    told = "\n".join(agent.told)
    assert "Building for python" in told
    assert "deployed" in told


@both_eras
async def test_many_or_binary_files_go_as_a_zip(era: Era, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>many</p>")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\x00")
    for number in range(120):
        (tmp_path / f"page-{number}.html").write_text("page")
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id=f"many-{era}", directory=str(tmp_path))
    assert verdict["source"]["files"] == 122
    async with httpx2.AsyncClient() as client:
        logo = await client.get(f"{verdict['url']}/logo.png")
    assert logo.content.startswith(b"\x89PNG")


@both_eras
async def test_a_failure_is_diagnosed_corrected_and_rolled_back(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"failure-{era}"
    files = [{"path": "main.py", "content": saying("first")}]
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        first = await agent.call("Deploy", project_id=name, files=files)
        assert "no good deployment" in await agent.refusal("Rollback", project_id=name)
        files[0]["content"] = CRASHING
        failed = await agent.call("Deploy", project_id=name, files=files)
        found = await agent.call("Diagnose", project_id=name)
        files[0]["content"] = saying("second")
        second = await agent.call("Deploy", project_id=name, files=files)
        back = await agent.call("Rollback", project_id=name)
        page = await read_page(first["url"])
    assert (failed["status"], failed["live"], failed["stage"]) == ("crashing", False, "start")
    assert "KeyError: 'NEEDED_VARIABLE'" in failed["log"]
    assert failed["log"].startswith("<untrusted")
    assert failed["cause"] == "the variable NEEDED_VARIABLE may be missing"
    assert found["failure"]["cause"] == failed["cause"]
    assert found["environments"][0]["health"]["answered"] == 200
    assert [row["status"] for row in found["deployments"]] == ["crashing", "deployed"]
    assert "NEEDED_VARIABLE" in found["next"][0]
    assert back["was"]["deployment_id"] == second["deployment_id"]
    assert back["now"]["deployment_id"] == first["deployment_id"]
    (row,) = back["environments"]
    assert (row["name"], row["version"], row["answered"]) == ("production", 1, 200)
    assert page == "first"


@both_eras
async def test_a_build_that_fails_names_the_stage_the_log_and_the_cause(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    package = '{"scripts": {"start": "node index.js", "build": "node missing-file.js"}}'
    files = [{"path": "package.json", "content": package}, {"path": "index.js", "content": ""}]
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        verdict = await agent.call("Deploy", project_id=f"build-{era}", files=files)
    assert (verdict["status"], verdict["stage"]) == ("build_error", "build")
    assert "missing-file.js" in verdict["log"]
    assert "the module missing-file.js is missing" in verdict["cause"]


@both_eras
async def test_variables_are_set_one_by_one_from_all_places_and_named_only(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"variables-{era}"
    (tmp_path / "main.py").write_text(saying("unset"))
    (tmp_path / "app.env").write_text(
        "# comment\nGREETING='from the file'\nexport OTHER=canary-a\n"
    )
    variables = {"FOR_THE_APP": "canary-b", "CREATEOS_CONFIRM": "proceed"}
    async with working_in(tmp_path, era, data_dir=data_dir, variables=variables) as agent:
        url = (await agent.call("Deploy", project_id=name, directory="."))["url"]
        first = await agent.call(
            "SetEnvironmentVariables",
            project_id=name,
            envFile="app.env",
            fromEnv={"KEY": "FOR_THE_APP"},
            set={"PLAIN": "canary-c"},
        )
        before = await read_page(url)
        second = await agent.call(
            "SetEnvironmentVariables",
            project_id=name,
            set={"PLAIN": "canary-d"},
            unset=["OTHER"],
            redeploy=True,
        )
        after = await read_page(url)
        shown = await agent.call("ListProjectEnvironments", project_id=name, reveal="KEY")
        own = await agent.refusal(
            "SetEnvironmentVariables", project_id=name, fromEnv={"A": "CREATEOS_DATA_DIR"}
        )
        mask = await agent.refusal(
            "SetEnvironmentVariables", project_id=name, set={"A": "********"}
        )
    assert first["added"] == ["GREETING", "KEY", "OTHER", "PLAIN"]
    assert not first["effective"]
    assert (second["changed"], second["removed"]) == (["PLAIN"], ["OTHER"])
    assert second["names"] == ["GREETING", "KEY", "PLAIN"]
    assert second["effective"]
    assert second["environments"] == [
        {"name": "production", "version": 1, "url": url, "answered": 200}
    ]
    assert "canary" not in str([first, second])
    assert (before, after) == ("unset", "from the file")
    assert shown["items"][0]["settings"]["runEnvs"]["KEY"] == "canary-b"
    assert "belongs to this server" in own
    assert "the mask" in mask


@both_eras
async def test_what_the_local_platform_cannot_deploy_is_said_plainly(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"image-{era}"
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        image = await agent.refusal(
            "Deploy", project_id=f"new-{name}", image="nginx:latest", settings={"port": 80}
        )
        branch = await agent.refusal("Deploy", project_id="no-such-app", branch="main")
        unknown = await agent.refusal(
            "Deploy", project_id="no-such-app", branch="main", repository="local/nothing"
        )
        made = await agent.call("ListProjects", name=f"new-{name}")
    assert "Install Docker" in image
    assert "give owner/repo" in branch
    assert "`createos-mcp platform git create` makes a repository to push to" in unknown
    assert made["items"] == []


@both_eras
async def test_a_branch_of_a_repository_on_this_machine_is_deployed(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"branch-{era}"
    repository = await create_repository(DataDir(data_dir), name, user=None)
    bare = BareRepository(DataDir(data_dir).repository(repository.id))
    (tmp_path / "index.html").write_text("from a branch")
    bare.commit_files(tmp_path, "main", "First")
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        source = {"branch": "main", "repository": f"local/{name}"}
        first = await agent.call("Deploy", project_id=name, **source)
        page = await read_page(first["url"])
        again = await agent.call("Deploy", project_id=name, branch="main")
        aside = await agent.call("Deploy", project_id=name, branch="main", promote=False)
    assert (first["live"], first["created"], page) == (True, True, "from a branch")
    assert (again["version"], aside["version"]) == (1, 2)
    assert aside["environments"] == []


@both_eras
async def test_settings_of_a_project_that_is_there_are_changed_where_they_differ(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"settings-{era}"
    files = [{"path": "serve.py", "content": saying("served")}]
    settings = {"runtime": "python:3.11", "runCommand": "python serve.py"}
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        failed = await agent.call("Deploy", project_id=name, files=files)
        live = await agent.call("Deploy", project_id=name, files=files, settings=settings)
    assert failed["status"] == "build_error"
    assert live["live"]
    assert "served" in live["health"]["page"]
