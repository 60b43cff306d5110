"""The check of wording finds what it is there for."""

import json
from pathlib import Path

import pytest
from wording import HABITS, document_texts, every_text, find_habits, literals, schema_texts


@pytest.mark.parametrize(
    "text",
    [
        "'x' is no name of a project",
        "Names are no IDs",
        "Directories that may be deployed, beside those of the client",
        "The call met a fault",
        "Blanks stand around the key",
        "A person is asked through the client",
        "It is deleted for good",
        "known are a, b and c",
        "The behaviour of the colour",
        "summarised and catalogued",
        "a labelled row",
    ],
)
def test_a_habit_is_found_with_what_to_write_instead(text: str) -> None:
    assert [remedy for _, remedy in find_habits(text)] != []


@pytest.mark.parametrize(
    "text",
    [
        "There are no more pages",
        "'x' is not a project",
        "The job is no longer active",
        "The platform is analyzed",
        "Behavior, color, license",
        "Restart the default environment",
    ],
)
def test_plain_english_passes(text: str) -> None:
    assert list(find_habits(text)) == []


def test_sentences_are_read_from_code_schemas_and_documents(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""A fault in a docstring."""\nTEXT = "there was a fault"\n# a fault\n')
    assert [text.text for text in literals(module)] == ["there was a fault"]
    schema = tmp_path / "schema.json"
    schema.write_text(
        json.dumps({"description": "a fault", "name": "fault", "a": [{"title": "b"}]})
    )
    assert [text.text for text in schema_texts(schema)] == ["a fault", "b"]
    document = tmp_path / "document.md"
    document.write_text("One `fault` here.\n\n```\nfault\n```\n")
    assert not [text for text in document_texts(document) if list(find_habits(text.text))]


def test_the_project_s_own_texts_are_looked_at() -> None:
    places = {text.file.suffix for text in every_text()}
    assert places == {".py", ".json", ".md"}
    assert len(HABITS) > 20
