import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from createos_mcp.contract.catalog import BESIDE_THE_PACKAGE, load_catalog
from createos_mcp.contract.errors import CatalogError

Document: TypeAlias = dict[str, Any]
Plant: TypeAlias = Callable[[Document], object]

FILE = "environments/UpdateProjectEnvironment.json"


def arguments(document: Document) -> Document:
    properties: Document = document["inputSchema"]["properties"]
    return properties


FAULTS: dict[str, tuple[Plant, str]] = {
    "no title": (lambda d: d.pop("title"), "lacks 'title'"),
    "empty title": (lambda d: d.update(title=" "), "title is empty"),
    "no description": (lambda d: d.pop("description"), "lacks 'description'"),
    "empty description": (lambda d: d.update(description=""), "description is empty"),
    "missing hint": (lambda d: d["annotations"].pop("idempotentHint"), "lacks 'idempotentHint'"),
    "hint of another type": (
        lambda d: d["annotations"].update(readOnlyHint="no"),
        "'readOnlyHint' of annotations is not of type bool",
    ),
    "unknown key": (lambda d: d.update(color="red"), "unknown key 'color'"),
    "unknown http key": (lambda d: d["http"].update(host="x"), "unknown key 'host'"),
    "another name": (lambda d: d.update(name="Other"), "'Other' differs"),
    "another group": (lambda d: d.update(group="apps"), "'apps' differs"),
    "unknown method": (lambda d: d["http"].update(method="FETCH"), "'FETCH'"),
    "unknown body": (lambda d: d["http"].update(body="xml"), "'xml'"),
    "path outside the API": (lambda d: d["http"].update(path="/admin"), "/v1/"),
    "path parameter without an argument": (
        lambda d: d["http"].update(path=d["http"]["path"] + "/{ghost_id}"),
        "the path parameter 'ghost_id' is no argument",
    ),
    "optional path parameter": (
        lambda d: d["inputSchema"]["required"].remove("project_id"),
        "'project_id' is not required",
    ),
    "argument with no place": (
        lambda d: d["http"].update(body="none"),
        "has no place in the request",
    ),
    "query without an argument": (
        lambda d: d["http"].update(query={"ghost": "ghost"}),
        "'ghost', which is no argument",
    ),
    "two parts of a multipart body": (
        lambda d: d["http"].update(body="multipart"),
        "exactly one argument",
    ),
    "bad status": (lambda d: d["http"]["errors"].update(teapot="x"), "no status"),
    "$ref": (lambda d: arguments(d).update(extra={"$ref": "#/x"}), "no single type"),
    "type array": (
        lambda d: arguments(d).update(extra={"type": ["string", "null"]}),
        "no single type",
    ),
    "union": (
        lambda d: arguments(d).update(extra={"type": "string", "anyOf": []}),
        "'anyOf', which not every client understands",
    ),
    "root union": (lambda d: d["inputSchema"].update(oneOf=[]), "'oneOf'"),
    "unknown type": (lambda d: arguments(d).update(extra={"type": "date"}), "'date'"),
    "fault deep inside": (
        lambda d: arguments(d).update(
            extra={"type": "array", "items": {"type": "object", "properties": {"a": {}}}}
        ),
        "inputSchema.extra[].a has no single type",
    ),
    "required but not defined": (
        lambda d: d["inputSchema"]["required"].append("ghost"),
        "requires 'ghost'",
    ),
    "open arguments": (
        lambda d: d["inputSchema"].pop("additionalProperties"),
        "must refuse unknown arguments",
    ),
    "no object": (lambda d: d["inputSchema"].update(type="array"), "not an object"),
    "output that is no object": (lambda d: d["outputSchema"].update(type="array"), "outputSchema"),
    "rule about nothing": (
        lambda d: d.update(rules=[{"when": {"type": "vcs"}, "at": "ghost"}]),
        "'ghost', which is no argument",
    ),
    "rule with an unknown field": (
        lambda d: d.update(rules=[{"when": {}, "at": "", "allowed": ["ghost"]}]),
        "names 'ghost'",
    ),
    "unsent argument that is none": (
        lambda d: d["http"].update(unsent=["ghost"]),
        "http.unsent names 'ghost'",
    ),
    "secret with no place": (lambda d: d.update(issues={"id": "mail"}), "'mail'"),
    "question about nothing": (lambda d: d.update(confirmation={"typed": "x"}), "lacks 'question'"),
    "name typed of no subject": (
        lambda d: d.update(confirmation={"question": "?", "typed": "name"}),
        "typed but no subject",
    ),
    "subject compared with nothing": (
        lambda d: d.update(
            confirmation={
                "question": "?",
                "subject": {"operation": "ListDomains", "where": {"id": "ghost"}},
            }
        ),
        "compares with 'ghost'",
    ),
    "subject of an unknown operation": (
        lambda d: d.update(confirmation={"question": "?", "subject": {"operation": "GetGhost"}}),
        "asks 'GetGhost'",
    ),
    "taken name": (lambda d: d.update(aliases=["GetProject"]), "used twice"),
}


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A copy of `tool_schemas/` that a test may damage."""
    return shutil.copytree(BESIDE_THE_PACKAGE, tmp_path / "tool_schemas")


@pytest.mark.parametrize(("plant", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_refused_by_file_and_reason(
    plant: Plant, reason: str, schemas: Path
) -> None:
    document = json.loads((schemas / FILE).read_text())
    plant(document)
    (schemas / FILE).write_text(json.dumps(document))
    with pytest.raises(CatalogError) as refusal:
        load_catalog(schemas)
    assert reason in str(refusal.value)
    if reason != "used twice":
        assert str(refusal.value).startswith(FILE)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "\x00"])
def test_a_file_that_is_no_json_object_is_refused_by_name(text: str, schemas: Path) -> None:
    (schemas / FILE).write_text(text)
    with pytest.raises(CatalogError, match=FILE):
        load_catalog(schemas)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arguments": ["ghost_id"]}, "'ghost_id', which no tool takes"),
        ({"list_operation": "ListGhosts"}, "'ListGhosts', which is no tool"),
        ({"id": "slug"}, "'slug'"),
        ({"surprise": 1}, "unknown key 'surprise'"),
    ],
    ids=["argument", "operation", "id", "key"],
)
def test_a_faulty_reference_is_refused(change: Document, reason: str, schemas: Path) -> None:
    file = schemas / "references.json"
    entries = json.loads(file.read_text())
    entries[0].update(change)
    file.write_text(json.dumps(entries))
    with pytest.raises(CatalogError) as refusal:
        load_catalog(schemas)
    assert reason in str(refusal.value)


def test_a_faulty_pattern_of_secrets_is_refused(schemas: Path) -> None:
    file = schemas / "secrets.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "patterns": ["("]}))
    with pytest.raises(CatalogError, match=r"secrets\.json.*regular expression"):
        load_catalog(schemas)


def test_an_alias_finds_its_operation_and_is_listed_once() -> None:
    catalog = load_catalog()
    alias = "GetProjectEnvironmentAnalyticsRequestDistribution"
    operation = catalog.find(alias)
    assert operation is not None
    assert operation.name == "GetEnvAnalyticsReqDistribution"
    assert alias not in catalog.operations
    assert catalog.find("Nothing") is None


def test_operations_are_sorted_by_name() -> None:
    names = list(load_catalog().operations)
    assert names == sorted(names)
