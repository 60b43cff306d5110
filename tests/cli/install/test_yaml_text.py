import pytest
import yaml

from createos_mcp.cli.install.yaml_text import read_yaml, remove_entry, set_entry
from createos_mcp.contract.errors import ConfigTextError

PATH = ("extensions", "createos")
ENTRY = {"type": "stdio", "args": ["a", "b: c"], "enabled": True}

TEXTS = [
    "",
    "# nothing yet\n",
    "a: 1",
    "a: 1\nextensions:\nb: 2\n",
    "extensions: {}\n",
    "extensions: {} # none\n",
    "extensions:\n  one:\n    args:\n      - x\n      - y\n  # last\nz: 1\n",
    "extensions:\n    one: {a: 1}\n    two: >\n      folded\n      text\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_entry_is_put_in_and_all_else_stays(text: str) -> None:
    after = set_entry(text, PATH, ENTRY)
    before = yaml.safe_load(text) or {}
    expected = {**before, "extensions": {**(before.get("extensions") or {}), "createos": ENTRY}}
    assert read_yaml(after) == expected
    assert set_entry(after, PATH, ENTRY) == after
    removed = read_yaml(remove_entry(after, PATH))
    assert {k: v or {} for k, v in removed.items()} == {
        "extensions": {},
        **{k: v or {} for k, v in before.items()},
    }


def test_an_entry_between_others_is_cut_out_alone() -> None:
    text = "extensions:\n  a:\n    x: 1\n  createos:\n    y:\n      - 1\n  # of b\n  b: {}\n"
    assert remove_entry(text, PATH) == "extensions:\n  a:\n    x: 1\n  # of b\n  b: {}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [("extensions:\n  - a\n", 2), ("- a\n", 1), ("a: [\n", 2), ("extensions: {a: 1}\n", 1)],
)
def test_what_cannot_be_edited_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigTextError) as refused:
        set_entry(text, PATH, ENTRY)
    assert refused.value.line == line
