import json
from pathlib import Path

import pytest

from createos_mcp.calls.repair import repair, unwrap
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.validation import Validation
from createos_mcp.contract.values import Json

CALLS = json.loads((Path(__file__).parents[1] / "cases" / "malformed_calls.json").read_text())

BINDINGS = json.loads((Path(__file__).parents[1] / "cases" / "bindings.json").read_text())

OPERATIONS = load_catalog().operations


@pytest.mark.parametrize("call", CALLS, ids=[call["case"] for call in CALLS])
def test_a_malformed_call_becomes_what_it_meant_or_is_reported(call: Json) -> None:
    operation = OPERATIONS[call["tool"]]
    repaired = repair(operation, unwrap(call["given"]))
    assert repaired == call["becomes"]
    assert types_of(repaired) == types_of(call["becomes"])
    problems = Validation().check(operation, repaired)
    assert sorted(problem.path for problem in problems) == sorted(call["problems"])


@pytest.mark.parametrize("call", CALLS, ids=[call["case"] for call in CALLS])
def test_repairing_twice_changes_nothing_more(call: Json) -> None:
    operation = OPERATIONS[call["tool"]]
    once = repair(operation, unwrap(call["given"]))
    assert repair(operation, once) == once


@pytest.mark.parametrize(
    "case", BINDINGS, ids=[f"{c['operation']}-{n}" for n, c in enumerate(BINDINGS)]
)
def test_a_call_that_validates_is_not_changed(case: Json) -> None:
    operation = OPERATIONS[case["operation"]]
    assert Validation().check(operation, case["arguments"]) == ()
    assert repair(operation, case["arguments"]) == case["arguments"]


def test_what_was_given_stays_as_it_was() -> None:
    given = {"body": {"projectId": 7}}
    repair(OPERATIONS["GetProject"], given)
    assert given == {"body": {"projectId": 7}}


def test_deeply_nested_text_is_left_for_validation() -> None:
    deep = "[" * 100_000
    arguments = {"project_id": "x", "files": deep}
    assert repair(OPERATIONS["UploadDeploymentFiles"], arguments) == arguments


@pytest.mark.parametrize(("digits", "kind"), [(18, int), (19, str), (40, str)])
def test_a_number_that_no_integer_of_the_api_holds_is_left_for_validation(
    digits: int, kind: type
) -> None:
    repaired = repair(OPERATIONS["ListProjects"], {"limit": "9" * digits})

    assert type(repaired["limit"]) is kind


def types_of(value: Json) -> Json:
    """The types all the way down: `1 == True == 1.0` must not pass for one another."""
    if isinstance(value, dict):
        return {name: types_of(held) for name, held in value.items()}
    if isinstance(value, list):
        return [types_of(held) for held in value]
    return type(value).__name__
