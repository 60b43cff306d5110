"""What arrives from outside is made harmless once."""

import pytest

from createos_mcp.answers.sanitizing import MAX_DEPTH, Sanitized, clean_text, sanitize
from createos_mcp.contract.values import Json

INVISIBLE = {
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe",
    "turned round": "a\u202eb\u2066c\u2069d\u200fe",
    "tags": "a" + "".join(chr(0xE0000 + ord(letter)) for letter in "delete") + "bcde",
    "soft hyphens": "a\u00adb\u2060c\u2063d\u180ee",
    "variation selectors": "a\ufe0fb\U000e0101cde",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_what_nobody_sees_is_removed_at_every_depth(text: str) -> None:
    assert sanitize({text: [{"x": text}]}).value == {"abcde": [{"x": "abcde"}]}


def test_what_people_write_stays() -> None:
    text = "größe 🚀 日本語 العربية line\n\ttab"

    assert clean_text(text) == text


def nested(depth: int) -> Json:
    value: Json = "leaf"
    for _ in range(depth):
        value = [value]
    return value


def test_half_of_a_character_is_replaced() -> None:
    assert clean_text("a\ud800b") == "a\ufffdb"


def test_the_deepest_nesting_that_is_allowed_stays() -> None:
    assert sanitize(nested(MAX_DEPTH)) == Sanitized(value=nested(MAX_DEPTH), is_cut=False)


def test_what_is_nested_deeper_is_cut_and_said_so() -> None:
    answer = sanitize(nested(MAX_DEPTH + 1))

    assert answer.is_cut
    assert "leaf" not in str(answer.value)
    assert str(answer.value).count("[") == MAX_DEPTH


def test_numbers_and_truth_values_stay_what_they_are() -> None:
    value = {"a": 1, "b": 2.5, "c": True, "d": None}

    assert sanitize(value).value == value
