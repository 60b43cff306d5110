import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.schema_directory import BESIDE_THE_PACKAGE

Document: TypeAlias = dict[str, Any]
Plant: TypeAlias = Callable[[Document], object]

FILE = "environments/UpdateProjectEnvironment.json"


def arguments(document: Document) -> Document:
    properties: Document = document["inputSchema"]["properties"]
    return properties


FAULTS: dict[str, tuple[Plant, str]] = {
    "no title": (lambda d: d.pop("title"), "'title' is missing"),
    "empty title": (lambda d: d.update(title=" "), "title: String should match"),
    "no description": (lambda d: d.pop("description"), "'description' is missing"),
    "empty description": (lambda d: d.update(description=""), "description: String should match"),
    "missing hint": (
        lambda d: d["annotations"].pop("idempotentHint"),
        "'annotations.idempotentHint' is missing",
    ),
    "hint of another type": (
        lambda d: d["annotations"].update(readOnlyHint="no"),
        "annotations.readOnlyHint: Input should be a valid boolean",
    ),
    "unknown key": (lambda d: d.update(color="red"), "'color' is not known"),
    "unknown http key": (lambda d: d["http"].update(host="x"), "'http.host' is not known"),
    "another name": (lambda d: d.update(name="Other"), "'Other' differs"),
    "another group": (lambda d: d.update(group="apps"), "'apps' differs"),
    "unknown method": (lambda d: d["http"].update(method="FETCH"), "http.method: Input should be"),
    "unknown body": (lambda d: d["http"].update(body="xml"), "http.body: Input should be"),
    "path outside the API": (
        lambda d: d["http"].update(path="/admin"),
        "http.path: String should match pattern '^/v1/'",
    ),
    "path parameter without an argument": (
        lambda d: d["http"].update(path=d["http"]["path"] + "/{ghost_id}"),
        "the path parameter 'ghost_id' is not an argument",
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
        "'ghost', which is not an argument",
    ),
    "two parts of a multipart body": (
        lambda d: d["http"].update(body="multipart"),
        "exactly one argument",
    ),
    "bad status": (lambda d: d["http"]["errors"].update(teapot="x"), "http.errors.teapot"),
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
        "'ghost', which is not an argument",
    ),
    "rule with an unknown field": (
        lambda d: d.update(rules=[{"when": {}, "at": "", "allowed": ["ghost"]}]),
        "names 'ghost'",
    ),
    "unsent argument that is none": (
        lambda d: d["http"].update(unsent=["ghost"]),
        "http.unsent names 'ghost'",
    ),
    "secret with no place": (
        lambda d: d.update(issues={"id": "mail"}),
        "issues.id: Input should be 'file' or 'result'",
    ),
    "question about nothing": (
        lambda d: d.update(confirmation={"typed": "x"}),
        "'confirmation.question' is missing",
    ),
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
        "names 'GetGhost'",
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
        ({"arguments": ["ghost_id"]}, "'ghost_id', which no tool has"),
        ({"list_operation": "ListGhosts"}, "'ListGhosts', which is not a tool"),
        ({"id": "slug"}, "0.id: Input should be 'uuid' or 'integer'"),
        ({"surprise": 1}, "'0.surprise' is not known"),
    ],
    ids=["argument", "operation", "id", "key"],
)
def test_a_faulty_reference_is_refused(change: Document, reason: str, schemas: Path) -> None:
    file = schemas / "references.json"
    document = json.loads(file.read_text())
    document["references"][0].update(change)
    file.write_text(json.dumps(document))
    with pytest.raises(CatalogError) as refusal:
        load_catalog(schemas)
    assert reason in str(refusal.value)


FAULTY = {"kind": "x", "holds": "x", "pattern": "("}


def test_a_faulty_pattern_of_secrets_is_refused(schemas: Path) -> None:
    file = schemas / "secrets.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "patterns": [FAULTY]}))
    with pytest.raises(CatalogError, match=r"secrets\.json.*regular expression"):
        load_catalog(schemas)


@pytest.mark.parametrize("name", ["references", "resources", "completions"])
def test_a_file_with_another_member_than_its_own_is_refused(name: str, schemas: Path) -> None:
    (schemas / f"{name}.json").write_text('{"things": []}')
    with pytest.raises(CatalogError, match=rf"{name}\.json: {name} has to be its only member"):
        load_catalog(schemas)


@pytest.mark.parametrize("file", sorted(BESIDE_THE_PACKAGE.rglob("*.json")), ids=lambda f: f.name)
def test_each_file_fits_the_json_schema_that_it_names(file: Path) -> None:
    document = json.loads(file.read_text())
    if file.name.endswith(".schema.json"):
        jsonschema.Draft202012Validator.check_schema(document)
        return
    schema = json.loads((file.parent / document["$schema"]).read_text())

    jsonschema.Draft202012Validator(schema).validate(document)


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
