"""Binding: every operation's arguments reach the place that the API expects."""

import base64
import json
from typing import Any

import pytest

from createos_mcp.calls.binding import bind
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.validation import Validation
from tests.bindings import CASES, CATALOG

UUID = "3f0c9a52-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['operation']}-{len(case['arguments'])}"
)
def test_a_call_becomes_the_request_that_the_api_documents(case: dict[str, Any]) -> None:
    operation = CATALOG.operations[case["operation"]]

    request = bind(operation, case["arguments"])

    assert not Validation().check(operation, case["arguments"])
    assert request.method == case["method"]
    assert request.path == case["path"]
    assert [list(pair) for pair in request.query] == case["query"]
    assert request.json == case.get("json")
    assert [
        {
            "name": part.name,
            "filename": part.filename,
            "content_type": part.content_type,
            "base64": base64.b64encode(part.content).decode(),
        }
        for part in request.parts
    ] == case.get("parts", [])


def test_no_operation_lacks_a_case() -> None:
    assert {case["operation"] for case in CASES} == set(CATALOG.operations)


def test_binding_leaves_the_arguments_alone() -> None:
    arguments = {"project_id": UUID, "displayName": "Shop web", "description": "A shop"}
    before = json.dumps(arguments)

    bind(CATALOG.operations["UpdateProject"], arguments)

    assert json.dumps(arguments) == before


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a?force=1#x", "a%3Fforce%3D1%23x"),
        ("a%2fb", "a%252fb"),
        ("a b;c&d", "a%20b%3Bc%26d"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a\r\nHost: x", "a%0D%0AHost%3A%20x"),
        ("\ud800", "%3F"),
        ("...", "..."),
        (".hidden", ".hidden"),
        (7, "7"),
    ],
)
def test_an_id_stays_within_its_segment(value: object, segment: str) -> None:
    request = bind(CATALOG.operations["GetProject"], {"project_id": value})

    assert request.path == f"/v1/projects/{segment}"


@pytest.mark.parametrize("value", [".", "..", "../x", "x/../y", "x/..", "..\\x", "./x"])
def test_an_id_that_climbs_is_refused(value: str) -> None:
    arguments = {"project_id": UUID, "deployment_id": value}

    with pytest.raises(InvalidArgumentsError, match="deployment_id"):
        bind(CATALOG.operations["DeleteDeployment"], arguments)


@pytest.mark.parametrize("arguments", [{}, {"project_id": ""}, {"project_id": " \t"}])
def test_an_empty_id_is_refused_by_name(arguments: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentsError, match="project_id"):
        bind(CATALOG.operations["DeleteProject"], arguments)


def test_an_argument_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidArgumentsError, match="force"):
        bind(CATALOG.operations["DeleteProject"], {"project_id": UUID, "force": True})


def test_query_values_are_spelled_as_the_api_reads_them() -> None:
    arguments = {"categories": ["web", "store"], "limit": 5, "name": True, "offset": None}

    request = bind(CATALOG.operations["ListPublishedProjectTemplates"], arguments)

    assert request.query == (("categories", "web,store"), ("limit", "5"), ("name", "true"))


def test_a_document_without_members_is_an_empty_object() -> None:
    request = bind(CATALOG.operations["UpdateProjectSettings"], {"project_id": UUID})

    assert request.json == {}


def test_blanks_within_base64_are_tolerated() -> None:
    arguments = {"project_id": UUID, "file": " UEsF\nBgAA\r\n"}

    request = bind(CATALOG.operations["UploadDeploymentZip"], arguments)

    assert request.parts[0].content == b"PK\x05\x06\x00\x00"


@pytest.mark.parametrize(
    "value", ["data:application/zip;base64,UEsFBg==", "UEsFBg", "größe", "UEs-_g==", "", 7, None]
)
def test_an_upload_that_is_no_base64_is_refused_with_the_remedy(value: object) -> None:
    arguments = {"project_id": UUID, "file": value}

    with pytest.raises(InvalidArgumentsError, match=r"file: .*bytes"):
        bind(CATALOG.operations["UploadDeploymentZip"], arguments)
