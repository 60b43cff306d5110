import json
from typing import Any, TypeAlias

import pytest
from hypothesis import given, strategies as st

from createos_mcp.cli.install.json_text import read_json, remove_member, set_member
from createos_mcp.contract.errors import ConfigTextError

Layout: TypeAlias = int | str | None

PATH = ("servers", "createos")
ENTRY = {"command": "uvx", "args": ["createos-mcp"]}

COMMENTED = """\
// My servers
{
\t"inputs": [], // none
\t"servers": {
\t\t/* the "first", with a brace } */
\t\t"github": {"command": "npx", "args": ["-y", "// no comment"],}, // keep
\t},
\t"theme": "dark", // last
}
"""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
LAYOUTS = st.sampled_from([None, 0, 2, 4, "\t"])


def with_member(value: dict[str, Any]) -> dict[str, Any]:
    servers = value.get("servers", {})
    return {**value, "servers": {**servers, "createos": ENTRY}}


@given(value=OBJECTS, servers=OBJECTS | st.none(), layout=LAYOUTS)
def test_any_object_gets_the_member_and_loses_nothing(
    value: dict[str, Any], servers: dict[str, Any] | None, layout: Layout
) -> None:
    before = {**value, **({} if servers is None else {"servers": servers})}
    before = before if servers is not None else {k: v for k, v in before.items() if k != "servers"}
    text = json.dumps(before, indent=layout)
    changed = set_member(text, PATH, ENTRY, comments=False)
    assert json.loads(changed) == with_member(before)
    assert list(json.loads(changed))[: len(before)] == list(before)
    removed = json.loads(remove_member(changed, PATH, comments=False))
    expected = {k: v for k, v in with_member(before)["servers"].items() if k != "createos"}
    assert removed == {**before, "servers": expected}


@given(value=OBJECTS, place=st.integers(0, 4), layout=LAYOUTS)
def test_any_member_can_be_taken_out_whatever_stands_around_it(
    value: dict[str, Any], place: int, layout: Layout
) -> None:
    pairs = [(k, v) for k, v in value.items() if k != "createos"]
    pairs.insert(place, ("createos", ENTRY))
    text = json.dumps({"servers": dict(pairs)}, indent=layout)
    removed = remove_member(text, PATH, comments=False)
    pairs.remove(("createos", ENTRY))
    assert json.loads(removed) == {"servers": dict(pairs)}


def test_comments_trailing_commas_and_tabs_stay_as_they_are() -> None:
    changed = set_member(COMMENTED, PATH, ENTRY, comments=True)
    assert read_json(changed, comments=True)["servers"]["createos"] == ENTRY
    added = [line for line in changed.splitlines() if line not in COMMENTED.splitlines()]
    assert added == [
        '\t\t"createos": {',
        '\t\t\t"command": "uvx",',
        '\t\t\t"args": [',
        '\t\t\t\t"createos-mcp"',
        "\t\t\t]",
        "\t\t},",
    ]
    assert changed.count('"github": {"command": "npx"') == 1
    assert remove_member(changed, PATH, comments=True) == COMMENTED


def test_a_comment_on_the_last_line_stays_with_its_member() -> None:
    text = '{\n  "servers": {\n    "a": 1 // mine\n  }\n}\n'
    changed = set_member(text, PATH, 2, comments=True)
    assert '"a": 1, // mine\n    "createos": 2\n' in changed
    assert remove_member(changed, PATH, comments=True) == text


def test_a_value_is_replaced_where_it_stands() -> None:
    text = '{"a": {"x": 1, "y": [1, 2]}, "b": 3}'
    assert set_member(text, ("a", "y"), "z", comments=False) == '{"a": {"x": 1, "y": "z"}, "b": 3}'


def test_windows_line_ends_stay() -> None:
    text = '{\r\n  "servers": {}\r\n}\r\n'
    changed = set_member(text, PATH, ENTRY, comments=False)
    assert changed.count("\n") == changed.count("\r\n") > 5


def test_of_two_members_of_one_name_the_last_is_meant_as_decoders_take_it() -> None:
    text = '{"servers": {"old": 1}, "servers": {}}'
    assert json.loads(set_member(text, PATH, 2, comments=False)) == {"servers": {"createos": 2}}


def test_an_empty_document_becomes_an_object() -> None:
    assert json.loads(set_member("\n", PATH, ENTRY, comments=False)) == {
        "servers": {"createos": ENTRY}
    }


@pytest.mark.parametrize(
    ("text", "comments", "line", "word"),
    [
        ('{\n  "a": 1\n  "b": 2\n}', False, 3, "delimiter"),
        ('{\n  // no\n  "a": 1\n}', False, 2, "property name"),
        ('{"a": 1,}', False, 1, "property name|trailing comma"),
        ('{"a": {', True, 1, "property name"),
        ("[]", True, 1, "object"),
        ('{\n"servers": []\n}', True, 2, "servers must be an object"),
        ("[" * 200_000, True, 1, "deep"),
    ],
)
def test_a_malformed_document_is_refused_with_its_line(
    text: str, *, comments: bool, line: int, word: str
) -> None:
    with pytest.raises(ConfigTextError, match=f"(?i){word}") as refused:
        set_member(text, PATH, ENTRY, comments=comments)
    assert refused.value.line == line


def test_removing_what_is_not_there_changes_nothing() -> None:
    for text in ("", "{}", '{"servers": {}}', COMMENTED):
        assert remove_member(text, PATH, comments=True) == text


def test_a_comma_in_a_comment_is_not_the_one_after_a_member() -> None:
    text = '{\n  "servers": {\n    "createos": {} /* one, two */,\n    "other": {}\n  }\n}\n'

    left = remove_member(text, PATH, comments=True)

    assert read_json(left, comments=True) == {"servers": {"other": {}}}
    assert "one, two" not in left
