import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.schema_directory import BESIDE_THE_PACKAGE
from createos_mcp.contract.values import Json
from createos_mcp.workflows.registry import build_workflows
from tests.agents import NOWHERE

PROMPT = """+++
title = "A title"
description = "A description"
[[arguments]]
name = "project_id"
description = "A name"
+++
Deploy {{project_id}}.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shutil.copytree(BESIDE_THE_PACKAGE, tmp_path / "tool_schemas")


RESOURCES: dict[str, tuple[Callable[[Json], object], str]] = {
    "another scheme": (lambda r: r.update(uri="file:///x"), "does not begin with createos://"),
    "unknown operation": (lambda r: r.update(operation="Nope"), "'Nope' is not an operation"),
    "workflow": (lambda r: r.update(operation="Deploy"), "'Deploy' is not an operation"),
    "operation that changes": (lambda r: r.update(operation="CreateApp"), "is not read-only"),
    "unknown argument": (lambda r: r.update(arguments={"size": 1}), "no argument 'size'"),
    "missing argument": (
        lambda r: r.update(operation="GetProject", arguments={}),
        "requires the argument",
    ),
    "unknown key": (lambda r: r.update(color="red"), "'0.color' is not known"),
    "pick by nothing": (lambda r: r.update(pick="ghost"), "picks by 'ghost'"),
}


@pytest.mark.parametrize(("plant", "reason"), RESOURCES.values(), ids=RESOURCES)
def test_a_faulty_resource_is_refused_by_file_and_reason(
    root: Path, plant: Callable[[Json], object], reason: str
) -> None:
    file = root / "resources.json"
    document = json.loads(file.read_text())
    plant(document["resources"][0])
    file.write_text(json.dumps(document))
    with pytest.raises(CatalogError, match=reason) as caught:
        load_catalog(root)
    assert caught.value.file == "resources.json"


PROMPTS = {
    "no head": (lambda text: text.replace("+++", "---"), "not enough values"),
    "no title": (lambda text: text.replace("title", "heading"), "missing 'title'"),
    "bad TOML": (lambda text: text.replace('"A title"', "A title"), "Invalid value"),
    "place without an argument": (lambda text: text + "{{ghost}}", "'ghost' is not both"),
    "argument without a place": (
        lambda text: text.replace("{{project_id}}", "it"),
        "'project_id' is not both",
    ),
}


@pytest.mark.parametrize(("plant", "reason"), PROMPTS.values(), ids=PROMPTS)
def test_a_faulty_prompt_is_refused_by_file_and_reason(
    root: Path, plant: Callable[[str], str], reason: str
) -> None:
    (root / "prompts" / "try-it.md").write_text(PROMPT)
    assert load_catalog(root).prompts["try-it"].title == "A title"
    (root / "prompts" / "try-it.md").write_text(plant(PROMPT))
    with pytest.raises(CatalogError, match=reason) as caught:
        load_catalog(root)
    assert caught.value.file == "prompts/try-it.md"


def test_a_completion_of_an_unknown_operation_is_refused(root: Path) -> None:
    row = {"argument": "runtime", "operation": "Nope", "scope": [], "member": "name"}
    (root / "completions.json").write_text(json.dumps({"completions": [row]}))
    with pytest.raises(CatalogError, match=r"completions.json: 'Nope' is not an operation"):
        load_catalog(root)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"nearest": ["Nope"]}, "billing: there is no tool 'Nope'"),
        ({"words": ["("]}, r"'\(' is not a regular expression"),
    ],
    ids=["tool", "pattern"],
)
def test_an_absence_that_is_wrong_is_refused_when_it_is_read(
    root: Path, row: Json, reason: str
) -> None:
    absence = {"topic": "billing", "words": ["invoice"], "instead": "Ask.", "nearest": [], **row}
    (root / "absences.json").write_text(json.dumps({"absences": [absence]}))
    catalog = load_catalog(root)
    with pytest.raises(CatalogError, match=f"absences.json: {reason}"):
        _ = catalog.absences


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"utterances": [{"tools": ["Nope"], "said": ["do it"]}]}, "no tool 'Nope'"),
        ({"utterances": [{"tools": [], "said": "do it"}]}, "said"),
        ({"things": []}, "utterances has to be its only member"),
    ],
    ids=["tool", "shape", "member"],
)
def test_utterances_that_are_wrong_are_refused_when_they_are_read(
    root: Path, document: Json, reason: str
) -> None:
    (root / "utterances.json").write_text(json.dumps(document))
    catalog = load_catalog(root)
    with pytest.raises(CatalogError, match=f"utterances.json: .*{reason}"):
        _ = catalog.utterances


def test_a_workflow_has_no_endpoint(root: Path) -> None:
    file = root / "workflows" / "Deploy.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "http": {}}))
    with pytest.raises(CatalogError, match=r"workflows/Deploy.json: .*'http' is not known"):
        load_catalog(root)


def test_a_workflow_that_nothing_does_is_refused(root: Path) -> None:
    file = root / "workflows" / "Diagnose.json"
    document = {**json.loads(file.read_text()), "name": "Guess"}
    file.with_stem("Guess").write_text(json.dumps(document))
    with pytest.raises(CatalogError, match=r"workflows/Guess.json: .* is missing"):
        build_workflows(load_catalog(root), NOWHERE)
    file.with_stem("Guess").unlink()
    file.unlink()
    with pytest.raises(CatalogError, match=r"workflows/Diagnose.json: .* is missing"):
        build_workflows(load_catalog(root), NOWHERE)
