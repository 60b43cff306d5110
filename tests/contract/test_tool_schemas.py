import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json

OPERATIONS = load_catalog().operations

NAMES = json.loads((Path(__file__).parents[1] / "cases" / "tool_names.json").read_text())

CLIENT_LIMIT = 47
"""Some clients drop a tool when `mcp__createos__` and its name have more than 64 characters."""

CHANGING_BY_GET = {"TransferProject"}
"""The API takes over a project by GET."""

LIMITS: list[tuple[str, str, Json]] = [
    ("CreateProject", "uniqueName", {"minLength": 4, "maxLength": 32}),
    ("CreateProject", "displayName", {"minLength": 4, "maxLength": 48}),
    ("CreateProject", "description", {"minLength": 4, "maxLength": 2048}),
    ("CreateProject", "type", {"enum": ["vcs", "image", "upload"]}),
    ("CreateProject", "settings.port", {"minimum": 1, "maximum": 65535}),
    ("ListProjects", "limit", {"minimum": 1, "maximum": 20}),
    ("UploadDeploymentFiles", "files", {"minItems": 1, "maxItems": 100}),
    ("UploadDeploymentBase64Files", "files", {"minItems": 1, "maxItems": 100}),
    ("UpdateProjectEnvironmentResources", "cpu", {"minimum": 200, "maximum": 500}),
    ("UpdateProjectEnvironmentResources", "memory", {"minimum": 500, "maximum": 1024}),
    ("UpdateProjectEnvironmentResources", "replicas", {"minimum": 1, "maximum": 3}),
]


def test_every_documented_operation_is_a_tool_and_no_other() -> None:
    assert sorted(OPERATIONS) == sorted(NAMES)
    assert len(NAMES) == 94


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_tool_is_written_for_the_model_that_chooses(operation: Operation) -> None:
    assert 15 <= len(operation.description) <= 300
    assert operation.description.count(". ") <= 2
    assert operation.description.endswith(".")
    assert len(operation.name) <= CLIENT_LIMIT
    assert operation.name.isalnum()


READING = {
    *(name for name, o in OPERATIONS.items() if o.http.method == "GET"),
    "CheckAPIKeyUniqueName",
    "CheckProjectEnvironmentUniqueName",
    "CheckProjectUniqueName",
    "GetGithubRepositoryContent",
} - CHANGING_BY_GET

DESTROYING = {
    *(name for name, o in OPERATIONS.items() if o.http.method == "DELETE"),
    "CancelDeployment",
    "RemoveProjectsFromApp",
    "RemoveServicesFromApp",
    "TransferProject",
    "UpdateProjectEnvironmentEnvironmentVariables",
    "UpdateProjectSettings",
}

REPEATABLE = {
    *READING,
    *(name for name, o in OPERATIONS.items() if o.http.method == "DELETE"),
    *(name for name in OPERATIONS if name.startswith("Update")),
}
"""Doing it twice has the effect of doing it once."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_hints_say_what_a_call_does(name: str) -> None:
    hints = OPERATIONS[name].annotations
    assert hints.open_world
    assert hints.read_only == (name in READING)
    assert hints.destructive == (name in DESTROYING)
    assert hints.idempotent == (name in REPEATABLE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_what_reads_is_retried(name: str) -> None:
    assert OPERATIONS[name].http.retry == (name in READING)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_schemas_are_valid_json_schema(operation: Operation) -> None:
    Draft202012Validator.check_schema(operation.input_schema)
    Draft202012Validator.check_schema(operation.output_schema)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_output_schema_refuses_no_answer(operation: Operation) -> None:
    assert "required" not in operation.output_schema
    assert operation.output_schema.get("additionalProperties", True) is not False


@pytest.mark.parametrize(("tool", "path", "limits"), LIMITS)
def test_limits_of_the_platform_are_in_the_schema(tool: str, path: str, limits: Json) -> None:
    schema: Json = OPERATIONS[tool].input_schema
    for name in path.split("."):
        schema = schema["properties"][name]
    assert {keyword: schema.get(keyword) for keyword in limits} == limits


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_summaries_and_new_secrets_are_members_of_the_answer(operation: Operation) -> None:
    members = operation.output_schema["properties"]
    rows = members.get("items", {}).get("items", {}).get("properties", {})
    assert {path.partition(".")[0] for path in operation.summary} <= rows.keys()
    assert operation.issues.keys() <= members.keys()


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o.http.method == "DELETE"])
def test_a_deletion_is_confirmed(name: str) -> None:
    assert OPERATIONS[name].confirmation


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o.confirmation])
def test_what_only_reads_is_confirmed_only_where_it_shows_a_secret(name: str) -> None:
    asked = OPERATIONS[name].confirmation
    assert asked is not None
    assert OPERATIONS[name].annotations.read_only == (asked.if_given == "reveal")
