"""A value made to fit a number of bytes."""

import json

import pytest
from hypothesis import given, strategies as st

from createos_mcp.answers.truncation import compact, encoded_size, truncate, truncate_text
from createos_mcp.contract.values import Json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=30,
)


def size_in_a_result(value: Json) -> int:
    """Bytes of a value in a result that carries it as a value and as JSON in a string."""
    text = compact(value)
    return len(text.encode()) + len(json.dumps(text, ensure_ascii=False).encode()) - 2


@given(VALUES)
def test_the_size_is_what_a_result_takes(value: Json) -> None:
    text = compact(value)
    control = sum(ord(character) < ord(" ") for character in text)

    assert encoded_size(text) == size_in_a_result(value)
    assert control == 0


@given(VALUES, st.integers(4, 2_000))
def test_a_truncated_value_fits_and_keeps_its_kind(value: Json, budget: int) -> None:
    cut = truncate(value, budget)

    if isinstance(value, dict | list):
        assert type(cut) is type(value)
        assert encoded_size(compact(cut)) <= max(budget, 4)
    if encoded_size(compact(value)) <= budget:
        assert cut == value


def test_a_value_of_exactly_the_budget_stays_whole() -> None:
    value = {"name": "x" * 20}

    assert truncate(value, encoded_size(compact(value))) == value
    assert truncate(value, encoded_size(compact(value)) - 1)["name"].endswith("x…")


def test_a_text_keeps_its_beginning_or_its_end() -> None:
    assert truncate_text("abcdefghij", 16) == "ab…"
    assert truncate_text("abcdefghij", 16, keep_end=True) == "fghij"


@pytest.mark.parametrize("budget", [0, 1, 5])
def test_a_text_without_room_is_empty(budget: int) -> None:
    assert truncate_text("abc", budget) == ""


def test_a_list_loses_its_end_and_a_large_first_item_does_not_hide_the_rest() -> None:
    items = ["x" * 1_000, "a", "b"]

    kept = truncate(items, 200)

    assert len(kept) == 3
    assert kept[1:] == ["a", "b"]
    assert kept[0].endswith("…")


def test_small_members_stay_whole_beside_large_ones() -> None:
    kept = truncate({"big": "x" * 1_000, "id": "p1", "big2": "y" * 1_000}, 300)

    assert kept["id"] == "p1"
    assert len(kept["big"]) > 50
    assert abs(len(kept["big"]) - len(kept["big2"])) <= 2
