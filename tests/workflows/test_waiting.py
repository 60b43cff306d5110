import pytest

from createos_mcp.contract.values import Json
from tests.agents import agent, data_of, remote_agent
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"
DEPLOYMENT_ID = "3f0c9a52-0000-4000-8000-000000000002"
PROJECT = f"/v1/projects/{ID}"
DEPLOYMENT = f"{PROJECT}/deployments/{DEPLOYMENT_ID}"

BUILDING: Json = {"id": DEPLOYMENT_ID, "projectId": ID, "versionNumber": 1, "status": "building"}


def records(**changes: Json) -> dict[str, Json]:
    return {
        PROJECT: {"id": ID, "uniqueName": "my-app", "type": "upload", "settings": {}},
        DEPLOYMENT: {**BUILDING, **changes},
        f"{DEPLOYMENT}/build-logs": [{"lineNumber": 1, "stage": "build", "log": "compiling"}],
        f"{DEPLOYMENT}/deployment-logs": "",
    }


@both_eras
async def test_a_wait_that_ends_too_early_answers_with_the_call_that_goes_on(era: Era) -> None:
    async with agent(era) as here:
        here.api.data |= records()
        verdict = data_of(
            await here.call(
                "WaitForDeployment", project_id=ID, deployment_id=DEPLOYMENT_ID, timeoutSeconds=1
            )
        )
    assert (verdict["status"], verdict["finished"], verdict["live"]) == ("building", False, False)
    call = f'WaitForDeployment {{"project_id": "my-app", "deployment_id": "{DEPLOYMENT_ID}"}}'
    assert call in verdict["next"]


@both_eras
async def test_progress_tells_states_and_lines_with_secrets_masked(era: Era) -> None:
    told: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        told.append(message or "")
        here.api.data[DEPLOYMENT] = {**BUILDING, "status": "build_error"}

    # The client in memory of the second era sends no progress token.
    async with remote_agent(era) as here:
        here.api.data |= records(settings={"runEnvs": {"A": "canary-value"}})
        line = {"lineNumber": 1, "stage": "build", "log": "using canary-value"}
        here.api.data[f"{DEPLOYMENT}/build-logs"] = [line]
        arguments = {"project_id": ID, "deployment_id": DEPLOYMENT_ID}
        verdict = data_of(
            await here.client.call_tool("WaitForDeployment", arguments, progress_callback=hear)
        )
    assert told[0] == "building\nusing ********"
    assert told[1].startswith("build_error")
    assert verdict["finished"]
    assert "canary" not in str([told, verdict])


@both_eras
async def test_every_state_that_lasts_ends_the_wait(era: Era) -> None:
    async with agent(era) as here:
        for status in ("build_error", "crashing", "error", "cancelled", "sleeping", "terminating"):
            here.api.data |= records(status=status)
            verdict = data_of(
                await here.call("WaitForDeployment", project_id=ID, deployment_id=DEPLOYMENT_ID)
            )
            assert (verdict["status"], verdict["finished"]) == (status, True)
            assert verdict["cause"]
            assert verdict["next"]


PEERS = "npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve dependency tree"
HARMLESS = [
    {"lineNumber": 1, "stage": "install", "log": PEERS},
    {"lineNumber": 2, "stage": "install", "log": "added 900 packages"},
]


@pytest.mark.parametrize(
    ("status", "last", "cause"),
    [
        (
            "build_error",
            {"stage": "build", "log": "Error: Cannot find module './theme'"},
            "the module ./theme is missing",
        ),
        (
            "crashing",
            {"stage": "deploy", "log": "Error: Cannot find module './theme'"},
            "the module ./theme is missing",
        ),
        ("build_error", {"log": "a line of no stage"}, "the dependencies contradict each other"),
        (
            "build_error",
            {"stage": "build", "log": "The build command exited with 1: npm run build"},
            "the build failed",
        ),
    ],
    ids=["a build", "a start", "no stages", "a stage that says nothing itself"],
)
async def test_what_an_earlier_stage_went_past_is_not_the_cause(
    status: str, last: dict[str, Json], cause: str
) -> None:
    async with agent("auto") as here:
        rows = [*HARMLESS, {"lineNumber": 3, **last}]
        if "stage" not in last:
            rows = [{**row, "stage": ""} for row in rows]
        here.api.data |= {**records(status=status), f"{DEPLOYMENT}/build-logs": rows}
        verdict = data_of(
            await here.call("WaitForDeployment", project_id=ID, deployment_id=DEPLOYMENT_ID)
        )
    assert verdict["cause"] == cause
