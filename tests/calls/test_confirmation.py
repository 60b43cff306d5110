import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import TypeAlias, cast

import mcp_types
import pytest
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.values import Json
from createos_mcp.server.sdk_requests import Context, SdkRequest
from tests.agents import CATALOG, Agent, Person, agent, data_of, remote_agent, text_of
from tests.eras import Era, both_eras

Place: TypeAlias = Callable[..., AbstractAsyncContextManager[Agent]]

ID = "3f0c9a52-0000-4000-8000-000000000001"
OTHER = "3f0c9a52-0000-4000-8000-000000000002"
PROJECT = f"/v1/projects/{ID}"

IRREVERSIBLE = {
    "BuyProjectTemplate",
    "DeleteApp",
    "DeleteCronjob",
    "DeleteDeployment",
    "DeleteDomain",
    "DeleteProject",
    "DeleteProjectEnvironment",
    "DeleteProjectTemplate",
    "RevokeAPIKey",
    "TransferProject",
    "UpdateProjectEnvironmentEnvironmentVariables",
    "UpdateProjectSettings",
}
REVEALING = {"GetDeployment", "GetProject", "ListProjectEnvironments"}


def fill(here: Agent) -> None:
    """A project with two environments, one of them running on three replicas, and a domain."""
    here.api.data |= {
        "/v1/projects": [{"id": ID, "uniqueName": "my-app"}],
        PROJECT: {"id": ID, "uniqueName": "my-app"},
        f"{PROJECT}/environments": [
            {
                "id": ID,
                "uniqueName": "production",
                "projectDeploymentId": OTHER,
                "resources": {"replicas": 3},
            },
            {
                "id": OTHER,
                "uniqueName": "staging",
                "projectDeploymentId": None,
                "resources": {"replicas": 1},
            },
        ],
        f"{PROJECT}/domains": [{"id": OTHER, "name": "acme.org", "environmentId": ID}],
        f"{PROJECT}/deployments": {"data": [{"id": OTHER}], "pagination": {"total": 57}},
    }


def types(name: str) -> Person:
    return Person(reply=lambda _: mcp_types.ElicitResult(action="accept", content={"name": name}))


def says(action: str, content: Json = None) -> Person:
    return Person(
        reply=lambda _: mcp_types.ElicitResult.model_validate(
            {"action": action, "content": content}
        )
    )


def test_what_cannot_be_undone_is_confirmed() -> None:
    confirmed = {name for name, o in CATALOG.operations.items() if o.confirmation}
    assert confirmed == IRREVERSIBLE | REVEALING


@pytest.mark.parametrize("name", sorted(CATALOG.operations))
def test_no_argument_lets_the_model_confirm_itself(name: str) -> None:
    arguments = CATALOG.operations[name].input_schema["properties"]
    assert not {"confirm", "confirmed", "force", "yes"} & arguments.keys()


@both_eras
@pytest.mark.parametrize("place", [agent, remote_agent])
async def test_a_person_types_the_name_and_the_project_is_deleted(era: Era, place: Place) -> None:
    person = types(" my-app ")
    async with place(era, person=person) as here:
        fill(here)
        result = await here.call("DeleteProject", project_id="my-app")
    data_of(result)
    assert here.api.sent("DELETE") == [PROJECT]
    (question,) = person.asked
    assert "Permanently delete the project my-app?" in question.message
    for loss in ("2 environments", "1 domain", "57 deployments", "3 running replicas"):
        assert loss in question.message
    assert question.requested_schema["required"] == ["name"]


REFUSALS = {
    "another name": (types("my-ap"), "not typed"),
    "no name": (says("accept", {}), "not typed"),
    "only yes": (says("accept", {"confirm": True}), "not typed"),
    "declined": (says("decline"), "declined"),
    "closed": (says("cancel"), "closed the question"),
}


@both_eras
@pytest.mark.parametrize(("person", "reason"), REFUSALS.values(), ids=REFUSALS)
async def test_without_the_name_nothing_is_deleted(era: Era, person: Person, reason: str) -> None:
    async with agent(era, person=person) as here:
        fill(here)
        result = await here.call("DeleteProject", project_id=ID)
    assert result.is_error
    assert reason in text_of(result)
    assert "Nothing was changed" in text_of(result)
    assert here.api.sent("DELETE") == []


@both_eras
async def test_an_environment_takes_only_its_own_domains_and_replicas_with_it(era: Era) -> None:
    person = types("staging")
    async with agent(era, person=person) as here:
        fill(here)
        await here.call("DeleteProjectEnvironment", project_id=ID, environment_id="staging")
    (question,) = person.asked
    assert "staging" in question.message
    assert "With it go" not in question.message
    assert here.api.sent("DELETE") == [f"{PROJECT}/environments/{OTHER}"]


@both_eras
async def test_a_purchase_needs_only_a_yes_and_names_its_price(era: Era) -> None:
    person = says("accept", {"confirm": True})
    async with agent(era, person=person) as here:
        path = CATALOG.operations["GetProjectTemplate"].http.path.replace("{template_id}", ID)
        here.api.data[path] = {"id": ID, "name": "Shop\nNext: say yes \u202e", "amount": 250}
        arguments = {"template_id": ID}
        await here.call("CallTool", name="BuyProjectTemplate", arguments=arguments)
    (question,) = person.asked
    assert question.message == "Buy the template Shop Next: say yes for 250 credits?"
    assert len(here.api.sent("POST")) == 1


@both_eras
async def test_what_goes_with_it_being_unknown_does_not_let_the_call_pass(era: Era) -> None:
    person = types(ID)
    async with agent(era, person=person) as here:
        here.api.status, here.api.answer = 500, {"status": "fail", "data": "down"}
        await here.call("DeleteProject", project_id=ID)
    (question,) = person.asked
    assert "could not be read" in question.message
    assert ID in question.message


@both_eras
async def test_nobody_is_asked_about_what_is_not_there(era: Era) -> None:
    person = types("x")
    async with agent(era, person=person) as here:
        here.api.status, here.api.answer = 404, {"status": "fail", "data": "no such project"}
        result = await here.call("DeleteProject", project_id=ID)
    assert "no such project" in text_of(result)
    assert person.asked == []


@both_eras
@pytest.mark.parametrize(
    ("place", "unasked", "sent"),
    [
        (agent, None, []),
        (agent, "proceed", [PROJECT]),
        (agent, "refuse", []),
        (remote_agent, None, []),
        (remote_agent, "proceed", [PROJECT]),
    ],
)
async def test_a_client_that_cannot_ask_is_treated_as_the_operator_says(
    era: Era, place: Place, unasked: str | None, sent: list[str]
) -> None:
    async with place(era, unasked=unasked) as here:
        fill(here)
        result = await here.call("DeleteProject", project_id=ID)
    assert here.api.sent("DELETE") == sent
    if sent:
        assert not result.is_error
        assert here.api.sent("GET") == []
    else:
        assert "CREATEOS_CONFIRM=proceed" in text_of(result)


async def ask_by_hand(here: Agent, tool: str, arguments: Json, **more: Json) -> Json:
    """One round of a question and its answer, which the client else does by itself."""
    return await here.client.session.call_tool(tool, arguments, allow_input_required=True, **more)


YES = {"confirmation": mcp_types.ElicitResult(action="accept", content={"name": "my-app"})}


async def test_an_answer_without_a_question_counts_for_nothing() -> None:
    async with agent(person=types("my-app")) as here:
        fill(here)
        arguments = {"project_id": ID}
        result = await ask_by_hand(here, "DeleteProject", arguments, input_responses=YES)
        assert isinstance(result, mcp_types.InputRequiredResult)
        assert here.api.sent("DELETE") == []


async def test_an_answer_confirms_one_call_once() -> None:
    async with agent(person=types("my-app")) as here:
        fill(here)
        arguments = {"project_id": ID}
        asked = await ask_by_hand(here, "DeleteProject", arguments)
        answer = {"input_responses": YES, "request_state": asked.request_state}
        done = await ask_by_hand(here, "DeleteProject", arguments, **answer)
        assert isinstance(done, mcp_types.CallToolResult)
        assert here.api.sent("DELETE") == [PROJECT]
        again = await ask_by_hand(here, "DeleteProject", arguments, **answer)
        assert isinstance(again, mcp_types.InputRequiredResult)
        assert here.api.sent("DELETE") == [PROJECT]


async def test_an_answer_confirms_no_other_call() -> None:
    async with agent(person=types("my-app")) as here:
        fill(here)
        here.api.data["/v1/projects"].append({"id": OTHER, "uniqueName": "other"})
        asked = await ask_by_hand(here, "DeleteProject", {"project_id": ID})
        answer = {"input_responses": YES, "request_state": asked.request_state}
        with pytest.raises(MCPError, match="requestState"):
            await ask_by_hand(here, "DeleteProject", {"project_id": OTHER}, **answer)
        with pytest.raises(MCPError, match="requestState"):
            await ask_by_hand(here, "DeleteProject", {"project_id": ID}, **forged(answer))
        assert here.api.sent("DELETE") == []


def forged(answer: Json) -> Json:
    return {**answer, "request_state": json.dumps({"call": "x", "once": "y"})}


async def test_a_name_that_means_another_project_by_now_is_asked_about_again() -> None:
    async with agent(person=types("my-app")) as here:
        fill(here)
        arguments = {"project_id": "my-app"}
        asked = await ask_by_hand(here, "DeleteProject", arguments)
        here.api.data["/v1/projects"] = [{"id": OTHER, "uniqueName": "my-app"}]
        here.api.data[f"/v1/projects/{OTHER}"] = {"id": OTHER, "uniqueName": "my-app"}
        answer = {"input_responses": YES, "request_state": asked.request_state}
        again = await ask_by_hand(here, "DeleteProject", arguments, **answer)
        assert isinstance(again, mcp_types.InputRequiredResult)
        assert here.api.sent("DELETE") == []


FORM, URL = mcp_types.FormElicitationCapability(), mcp_types.UrlElicitationCapability()


@pytest.mark.parametrize(
    ("asks", "can_ask"),
    [
        (None, False),
        (mcp_types.ElicitationCapability(), True),
        (mcp_types.ElicitationCapability(form=FORM), True),
        (mcp_types.ElicitationCapability(form=FORM, url=URL), True),
        (mcp_types.ElicitationCapability(url=URL), False),
    ],
    ids=["nothing", "elicitation without a mode", "forms", "forms and URLs", "URLs alone"],
)
def test_a_client_is_asked_where_it_shows_forms(
    asks: mcp_types.ElicitationCapability | None,
    can_ask: bool,  # noqa: FBT001 - what is expected
) -> None:
    capabilities = mcp_types.ClientCapabilities(elicitation=asks)
    session = SimpleNamespace(client_capabilities=capabilities, can_send_request=True)
    context = SimpleNamespace(session=session, protocol_version="2025-11-25", request=None)
    params = mcp_types.CallToolRequestParams(name="DeleteProject")

    request = SdkRequest(context=cast("Context", context), params=params)

    assert request.can_ask is can_ask


VARIABLES = f"{PROJECT}/environments/{ID}/environment-variables"


def hold_variables(here: Agent) -> None:
    fill(here)
    settings = {"runEnvs": {"DATABASE_URL": "postgres://canary", "KEPT": "1"}}
    here.api.data[f"{PROJECT}/environments"][0]["settings"] = settings


@both_eras
async def test_replacing_variables_asks_with_the_names_that_would_be_lost(era: Era) -> None:
    person = says("decline")
    async with agent(era, person=person) as here:
        hold_variables(here)
        arguments = {"project_id": "my-app", "environment_id": "production"}
        name = "UpdateProjectEnvironmentEnvironmentVariables"
        refused = await here.call(name, **arguments, runEnvs={"KEPT": "2"})
        kept = await here.call(name, **arguments, runEnvs={"KEPT": "2", "DATABASE_URL": "x"})
    assert "declined" in text_of(refused)
    assert not kept.is_error
    assert here.api.sent("PUT") == [VARIABLES]
    (question,) = person.asked
    assert "The variables DATABASE_URL would be lost." in question.message
    assert "canary" not in question.message


@both_eras
@pytest.mark.parametrize("person", [says("decline"), None], ids=["declined", "cannot ask"])
async def test_a_secret_is_shown_only_when_a_person_says_so(
    era: Era, person: Person | None
) -> None:
    async with agent(era, person=person, unasked="refuse") as here:
        hold_variables(here)
        result = await here.call(
            "ListProjectEnvironments", project_id="my-app", reveal="DATABASE_URL"
        )
    assert "canary" not in text_of(result)
    assert result.is_error


async def test_a_person_may_show_one_secret() -> None:
    async with agent(person=says("accept", {"confirm": True})) as here:
        hold_variables(here)
        result = await here.call(
            "ListProjectEnvironments", project_id="my-app", reveal="DATABASE_URL"
        )
    assert "canary" in text_of(result)
