"""Commands that are run once in the release and environment of a deployment."""

from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.run.commands import OUTPUT_CHARACTERS
from tests.platform.platforms import ANSWERING, Api, running_platform

APP = {"main.py": ANSWERING, "words.txt": "from the release"}


async def run(api: Api, deployment: Json, command: str, **options: Json) -> tuple[int, Json]:
    path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}/commands"
    return await api.request("POST", path, json={"command": command, **options})


async def test_a_command_has_the_files_and_variables_of_its_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(APP, runEnvs={"GREETING": "good day"})
        status, done = await run(api, deployment, 'cat words.txt; echo "; $GREETING"; exit 3')
    assert status == 200
    assert done == {
        "exitCode": 3,
        "output": "from the release; good day\n",
        "isCut": False,
        "timedOut": False,
    }


async def test_a_command_has_the_variables_of_the_environment_that_serves(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(APP, runEnvs={"GREETING": "of the project"})
        project_id = deployment["projectId"]
        production = await api.environment(project_id)
        path = f"/v1/projects/{project_id}/environments/{production['id']}/environment-variables"
        await api.request("PUT", path, json={"runEnvs": {"GREETING": "of production"}})
        _, done = await run(api, deployment, "echo $GREETING")
    assert done["output"] == "of production\n"


async def test_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(APP)
        _, done = await run(
            api, deployment, "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
        )
    assert done["isCut"] is True
    assert len(done["output"]) <= OUTPUT_CHARACTERS
    assert "19998\n" in done["output"]


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(APP)
        _, done = await run(api, deployment, "echo began; sleep 60", timeoutSeconds=1)
    assert done == {"output": "began\n", "isCut": False, "timedOut": True}


async def test_a_command_reads_and_writes_nothing_but_its_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path / "data") as api:
        deployment = await api.deploy(APP)
        key = api.data_dir / "api-key"
        outside = tmp_path / "written"
        _, done = await run(api, deployment, f"cat {key}; echo x > {outside}; ls /proc | head -40")
        secret = next(iter(api.client.headers.get_list("x-api-key")))
    assert secret not in done["output"]
    assert not outside.exists()


async def test_a_release_that_was_collected_is_built_again_for_a_command(tmp_path: Path) -> None:
    async with running_platform(tmp_path, releases_kept=0) as api:
        deployment = await api.deploy(APP)
        project_id = deployment["projectId"]
        await api.wait(project_id, await api.upload(project_id, APP))
        await api.wait(project_id, deployment["id"], "sleeping")
        release = tmp_path / "releases" / deployment["id"]
        if release.exists():
            release.rename(tmp_path / "moved-away")
        _, done = await run(api, deployment, "cat words.txt")
    assert done["output"] == "from the release\n"


async def test_what_was_not_built_runs_no_command_and_says_so(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"notes.md": "nothing to run"})
        status, sentence = await run(api, deployment, "true")
    assert status == 422
    assert "was not built" in sentence
