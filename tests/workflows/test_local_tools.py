"""Tools of the local platform alone: who is offered them, and who allows a command."""

from pathlib import Path

from createos_mcp.contract.catalog import load_catalog
from tests.agents import agent
from tests.eras import Era, both_eras
from tests.workflows.local_agents import saying, working_in

CATALOG = load_catalog(local=True)
LOCAL = {tool.name for tool in CATALOG.tools if tool.local}
LISTED = {t.name for t in CATALOG.tools if t.local and t.group not in CATALOG.on_request}
"""The others are found by SearchTools."""


@both_eras
async def test_they_are_not_offered_for_the_cloud(era: Era) -> None:
    async with agent(era) as cloud, agent(era, is_local=True) as local:
        of_cloud, of_local = await cloud.tools(), await local.tools()
    assert len(LOCAL) == 18
    assert not LOCAL & of_cloud.keys()
    assert of_local.keys() >= LISTED
    assert len(LISTED) == 6


@both_eras
async def test_a_command_runs_only_when_a_person_allows_it(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"command-{era}"
    (tmp_path / "main.py").write_text(saying("here"))
    call = {"project_id": name, "deployment_id": "latest", "command": "echo hi > made.txt; ls"}
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        await agent.call("Deploy", project_id=name, directory=".")
        refused = await agent.refusal("RunCommand", **call)
    settings = {"CREATEOS_CONFIRM": "proceed"}
    async with working_in(tmp_path, era, data_dir=data_dir, variables=settings) as agent:
        listed = await agent.call("RunCommand", **{**call, "command": "ls"})
        done = await agent.call("RunCommand", **call)
        slow = {**call, "command": "echo began; sleep 60", "timeoutSeconds": 1}
        ended = await agent.call("RunCommand", **slow)
    assert "createos-mcp confirm" in refused
    assert "made.txt" not in listed["output"]
    assert (done["exitCode"], "made.txt" in done["output"]) == (0, True)
    assert (ended["timedOut"], "exitCode" in ended) == (True, False)


async def test_a_secret_of_the_app_is_masked_in_what_a_command_prints(
    data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(saying("here"))
    settings = {"CREATEOS_CONFIRM": "proceed"}
    async with working_in(tmp_path, "auto", data_dir=data_dir, variables=settings) as agent:
        await agent.call("Deploy", project_id="masked-app", directory=".")
        await agent.call(
            "SetEnvironmentVariables",
            project_id="masked-app",
            set={"API_TOKEN": "canary-5f0e-value", "FLAVOR": "canary-zebra-77"},
            redeploy=True,
        )
    async with working_in(tmp_path, "auto", data_dir=data_dir, variables=settings) as agent:
        done = await agent.call(
            "RunCommand",
            project_id="masked-app",
            deployment_id="latest",
            command="env; echo it is $FLAVOR",  # by its value alone
        )
    assert "API_TOKEN=" in done["output"]
    assert "it is " in done["output"]
    assert "canary" not in done["output"]
