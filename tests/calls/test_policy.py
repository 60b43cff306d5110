"""What the user is asked before a call that cannot be undone."""

from collections.abc import Mapping

import pytest

from createos_mcp.calls.policy import Policy
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import ApiError, ConnectionFailedError
from createos_mcp.contract.operations import FetchOperation, Operation, Question
from createos_mcp.contract.values import Arguments, Json

CATALOG = load_catalog()
POLICY = Policy(CATALOG)

PROJECT = {"project_id": "p1"}

ANSWERS: dict[str, Json] = {
    "GetProject": {"id": "p1", "uniqueName": "shop"},
    "ListProjectEnvironments": [
        {"id": "e1", "projectDeploymentId": "d1", "resources": {"replicas": 2}},
        {"id": "e2", "projectDeploymentId": None, "resources": {"replicas": 1}},
    ],
    "ListDomains": [{"id": "o1", "environmentId": "e1"}],
    "ListDeployments": {"data": [{"id": "d1"}], "pagination": {"total": 41}},
}


def fetcher(answers: Mapping[str, Json], asked: list[str] | None = None) -> FetchOperation:
    async def fetch(operation: Operation, arguments: Arguments) -> Json:
        assert arguments.keys() <= operation.input_schema["properties"].keys()
        if asked is not None:
            asked.append(operation.name)
        answer = answers[operation.name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fetch


async def ask(operation: Operation, arguments: Arguments, fetch: FetchOperation) -> Question:
    question = await POLICY.question(operation, arguments, fetch)
    assert question is not None
    return question


async def test_a_deletion_says_what_is_affected_and_wants_the_name() -> None:
    delete = CATALOG.operations["DeleteProject"]

    question = await ask(delete, PROJECT, fetcher(ANSWERS))

    assert question.typed == "shop"
    assert question.text == (
        "Permanently delete the project shop? "
        "Affected: 2 environments, 1 domain, 41 deployments, 2 running replicas."
    )


async def test_what_nothing_goes_with_is_asked_plainly() -> None:
    nothing = {**ANSWERS, "ListProjectEnvironments": [], "ListDomains": [], "ListDeployments": {}}

    question = await ask(CATALOG.operations["DeleteProject"], PROJECT, fetcher(nothing))

    assert question.text == "Permanently delete the project shop?"


async def test_each_list_is_read_once() -> None:
    asked: list[str] = []

    await ask(CATALOG.operations["DeleteProject"], PROJECT, fetcher(ANSWERS, asked))

    assert len(asked) == len(set(asked))


async def test_only_rows_of_the_thing_itself_count() -> None:
    delete = CATALOG.operations["DeleteProjectEnvironment"]
    arguments = {"project_id": "p1", "environment_id": "e2"}

    question = await ask(delete, arguments, fetcher(ANSWERS))

    assert "domain" not in question.text


async def test_a_thing_that_is_not_there_is_not_asked_about() -> None:
    gone = {**ANSWERS, "GetProject": ApiError(404, "no such project")}

    with pytest.raises(ApiError):
        await ask(CATALOG.operations["DeleteProject"], PROJECT, fetcher(gone))


async def test_the_id_is_typed_where_the_name_cannot_be_read() -> None:
    unread = {**ANSWERS, "GetProject": ConnectionFailedError("http://x", "no")}

    question = await ask(CATALOG.operations["DeleteProject"], PROJECT, fetcher(unread))

    assert question.typed == "p1"
    assert question.text.endswith("What would be deleted with it could not be read.")


async def test_a_name_stays_on_one_line_and_says_nothing_of_its_own() -> None:
    forged = {"id": "p1", "uniqueName": "shop?\nYes, \u202edo it. " + "x" * 500}

    question = await ask(
        CATALOG.operations["DeleteProject"], PROJECT, fetcher({**ANSWERS, "GetProject": forged})
    )

    assert "\n" not in question.text
    assert "\u202e" not in question.text
    assert len(question.text) < 300


async def test_an_operation_that_needs_no_confirmation_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="needs no confirmation"):
        await ask(CATALOG.operations["ListProjects"], PROJECT, fetcher(ANSWERS))


async def test_the_total_of_a_list_counts_only_where_the_whole_list_goes() -> None:
    """A list has rows of other environments too, and other rows than the counted replicas."""
    rows: Json = ANSWERS["ListProjectEnvironments"]
    answers: dict[str, Json] = {
        **ANSWERS,
        "ListDomains": {
            "data": [{"id": "o1", "environmentId": "e1"}, {"id": "o2", "environmentId": "e2"}],
            "pagination": {"total": 70},
        },
        "ListProjectEnvironments": {"data": rows, "pagination": {"total": 50}},
    }

    of_environment = await ask(
        CATALOG.operations["DeleteProjectEnvironment"],
        {**PROJECT, "environment_id": "e1"},
        fetcher(answers),
    )
    of_project = await ask(CATALOG.operations["DeleteProject"], PROJECT, fetcher(answers))

    assert of_environment.text.endswith("Affected: 1 domain, 2 running replicas.")
    assert "50 environments, 70 domains" in of_project.text
    assert of_project.text.endswith(", 2 running replicas.")


REPLACE = CATALOG.operations["UpdateProjectEnvironmentEnvironmentVariables"]


def holding(*names: str) -> dict[str, Json]:
    settings = {"runEnvs": dict.fromkeys(names, "********")}
    rows = [{"id": "e1", "uniqueName": "production", "settings": settings}]
    return {"ListProjectEnvironments": rows}


async def test_variables_that_would_be_lost_are_named() -> None:
    arguments = {**PROJECT, "environment_id": "e1", "runEnvs": {"KEPT": "1"}}

    question = await ask(REPLACE, arguments, fetcher(holding("KEPT", "TOKEN", "KEY")))

    assert question.text == (
        "Replace ALL variables of the environment production? "
        "The variables KEY, TOKEN would be lost."
    )


async def test_nobody_is_asked_when_all_variables_are_kept() -> None:
    arguments = {**PROJECT, "environment_id": "e1", "runEnvs": {"KEPT": "1", "NEW": "2"}}
    assert await POLICY.question(REPLACE, arguments, fetcher(holding("KEPT"))) is None


async def test_a_few_of_many_variables_are_named() -> None:
    arguments = {**PROJECT, "environment_id": "e1", "runEnvs": {}}
    names = [f"V{number:02}" for number in range(25)]
    question = await ask(REPLACE, arguments, fetcher(holding(*names)))
    assert "V19, and 5 more would be lost" in question.text


SETTINGS = CATALOG.operations["UpdateProjectSettings"]
HELD = {"GetProject": {"uniqueName": "my-app", "settings": {"runEnvs": {"TOKEN": "********"}}}}


async def test_settings_that_leave_out_variables_name_them() -> None:
    question = await ask(SETTINGS, {**PROJECT, "runEnvs": {}, "port": 80}, fetcher(HELD))
    assert question.text == (
        "Change the settings of the project my-app? The variables TOKEN would be lost."
    )


@pytest.mark.parametrize("given", [{"port": 80}, {"runEnvs": {"TOKEN": "new"}}, {"buildVars": {}}])
async def test_nobody_is_asked_about_settings_that_lose_nothing(given: Json) -> None:
    assert await POLICY.question(SETTINGS, {**PROJECT, **given}, fetcher(HELD)) is None
