"""Which directories a server reads for its client."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from createos_mcp.workflows.workspace import Workspace
from tests.agents import agent, data_of, remote_agent, text_of
from tests.eras import Era, both_eras
from tests.fuzzing import drawn
from tests.workflows.local_agents import working_in

ID = "3f0c9a52-0000-4000-8000-000000000001"
DEPLOY = {"project_id": "my-app", "timeoutSeconds": 1}


def app(directory: Path) -> Path:
    directory.mkdir()
    (directory / "main.py").write_text("print(1)")
    return directory


@both_eras
async def test_without_roots_the_working_directory_and_below_may_be_read(
    era: Era, tmp_path: Path
) -> None:
    inside, outside = app(tmp_path / "inside"), app(tmp_path / "outside")
    (inside / "way-out").symlink_to(outside)
    async with working_in(inside, era, data_dir=tmp_path / "data") as local:
        for path in (str(outside), "../outside", "way-out", "~", "/"):
            said = await local.refusal("Deploy", project_id="my-app", directory=path)
            assert "is outside of the allowed directories" in said
            assert str(inside) in said
        said = await local.refusal("Deploy", project_id="my-app", directory="nothing-here")
    assert "there is no directory" in said
    assert not (tmp_path / "data").exists()


@both_eras
async def test_roots_of_the_client_take_the_place_of_the_working_directory(
    era: Era, tmp_path: Path
) -> None:
    here, offered = app(tmp_path / "here"), app(tmp_path / "offered it")
    (offered / ".env").write_text("A=1")
    data_dir = tmp_path / "data"
    async with working_in(here, era, data_dir=data_dir, roots=[offered]) as local:
        said = await local.refusal("Deploy", project_id="my-app", directory=str(here))
        unset = await local.refusal(
            "SetEnvironmentVariables", project_id="my-app", envFile="no.env"
        )
    assert "is outside of the allowed directories" in said
    assert str(offered) in said
    assert f"there is no file {offered}/no.env" in unset


@both_eras
async def test_the_operator_allows_further_directories(era: Era, tmp_path: Path) -> None:
    here, allowed = app(tmp_path / "here"), app(tmp_path / "allowed")
    settings = {"CREATEOS_DEPLOY_ROOTS": str(allowed)}
    data_dir = tmp_path / "data"
    async with working_in(here, era, data_dir=data_dir, variables=settings) as local:
        within = await local.refusal("Deploy", project_id="my-app", directory=f"{allowed}/none")
        without = await local.refusal("Deploy", project_id="my-app", directory=str(here))
    assert "there is no directory" in within
    assert "is outside of the allowed directories" in without


@pytest.mark.parametrize("place", ["/", "/home/someone", "/home"])
async def test_a_home_or_the_whole_machine_is_no_default(place: str) -> None:
    workspace = Workspace(working_directory=Path(place), home=Path("/home/someone"))
    async with agent(workspace=workspace) as here:
        said = text_of(await here.call("Deploy", **DEPLOY, directory="/usr"))
    assert "Pass `files` instead, or set CREATEOS_DEPLOY_ROOTS" in said
    assert "CREATEOS_DEPLOY_ROOTS" in said


@both_eras
async def test_a_remote_caller_gets_nothing_of_the_server_s_machine(
    era: Era, tmp_path: Path
) -> None:
    workspace = Workspace(
        allowed=(tmp_path,), working_directory=tmp_path, home=Path("/"), variables={"A": "canary"}
    )
    (tmp_path / "a.env").write_text("B=canary")
    async with remote_agent(era, workspace=workspace) as here:
        directory = await here.call("Deploy", **DEPLOY, directory=str(tmp_path))
        file = await here.call("SetEnvironmentVariables", project_id=ID, envFile="a.env")
        variable = await here.call("SetEnvironmentVariables", project_id=ID, fromEnv={"B": "A"})
        asked = here.api.asked
    for result in (directory, file, variable):
        assert "runs on another machine" in text_of(result)
        assert "canary" not in text_of(result)
    assert asked == []


async def test_exactly_one_source_is_deployed() -> None:
    files = [{"path": "a", "content": "b"}]
    async with agent() as here:
        none = text_of(await here.call("Deploy", **DEPLOY))
        two = text_of(await here.call("Deploy", **DEPLOY, image="nginx", files=files))
        assert here.api.asked == []
    assert "exactly one of directory, files, zip, image, branch; got none" in none
    assert "got files and image" in two


async def test_an_unknown_variable_of_the_server_is_named() -> None:
    async with agent() as here:
        said = await here.call("SetEnvironmentVariables", project_id=ID, fromEnv={"A": "NOPE"})
    assert "this server has no variable NOPE" in text_of(said)


async def test_a_value_that_was_set_is_masked_wherever_it_comes_back() -> None:
    async with agent() as here:
        environment = {
            "id": ID,
            "uniqueName": "production",
            "description": "has canary-value",
            "settings": {"runEnvs": {}},
        }
        here.api.data |= {
            f"/v1/projects/{ID}": {"id": ID, "uniqueName": "my-app", "type": "upload"},
            f"/v1/projects/{ID}/environments": [environment],
        }
        arguments = {"project_id": ID, "set": {"A": "canary-value"}}
        data = data_of(await here.call("SetEnvironmentVariables", **arguments))
        (sent,) = [asked.body for asked in here.api.asked if asked.method == "PUT"]
        here.api.status = 400
        here.api.data.clear()
        here.api.answer = {"success": False, "message": "bad value canary-value"}
        failed = text_of(await here.call("SetEnvironmentVariables", **arguments))
    assert data["added"] == ["A"]
    assert sent == {"runEnvs": {"A": "canary-value"}}
    assert "canary" not in str(data) + failed


@drawn(few=60)
@given(content=st.binary(max_size=60) | st.text(alphabet="AB=\"'#$\\ \n\t{}export", max_size=40))
async def test_any_env_file_is_read_or_refused_with_a_reason(content: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        written = content if isinstance(content, bytes) else content.encode()
        Path(directory, "a.env").write_bytes(written)
        workspace = Workspace(
            working_directory=Path(directory), home=Path("/"), allowed=(Path(directory),)
        )
        async with agent(workspace=workspace) as here:
            project = {"id": ID, "uniqueName": "my-app", "type": "upload"}
            here.api.data[f"/v1/projects/{ID}"] = project
            here.api.data[f"/v1/projects/{ID}/environments"] = []
            result = await here.call("SetEnvironmentVariables", project_id=ID, envFile="a.env")
    assert "Internal error" not in text_of(result)


async def test_an_env_file_with_a_line_that_cannot_be_read_is_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\nB='canary-open\nC=3\n= canary\n")
    workspace = Workspace(working_directory=tmp_path, home=Path("/"), allowed=(tmp_path,))
    async with agent(workspace=workspace) as here:
        result = await here.call("SetEnvironmentVariables", project_id=ID, envFile="a.env")
        changed = here.api.sent("PUT")
    assert "a.env cannot be read in line 2, 4" in text_of(result)
    assert "canary" not in text_of(result)
    assert changed == []


async def test_an_empty_directory_argument_is_refused() -> None:
    async with agent() as here:
        result = await here.call("Deploy", **DEPLOY, directory="")
    assert "it is empty; name a directory" in text_of(result)
