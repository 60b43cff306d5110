"""The rows of a list with the members that tell them apart."""

import pytest

from createos_mcp.answers.summaries import omit_repeats, project_fields
from createos_mcp.contract.values import Json

MEMBERS = ("id", "extra.endpoint")

CASES: dict[str, tuple[Json, Json]] = {
    "row": (
        [{"id": 1, "extra": {"endpoint": "u", "x": 2}, "y": 3}],
        [{"id": 1, "extra": {"endpoint": "u"}}],
    ),
    "row without a member": ([{"id": 1}], [{"id": 1}]),
    "member without its inner one": ([{"id": 1, "extra": {"x": 2}}], [{"id": 1, "extra": {}}]),
    "member that is no object": ([{"id": 1, "extra": None}], [{"id": 1, "extra": None}]),
    "row of an unknown form": ([{"name": "x"}], [{"name": "x"}]),
    "row that is no object": (["x", 1], ["x", 1]),
    "page": ({"data": [{"id": 1, "y": 2}], "total": 1}, {"data": [{"id": 1}], "total": 1}),
    "no list": ("done", "done"),
    "empty": ([], []),
}


@pytest.mark.parametrize(("data", "shown"), CASES.values(), ids=CASES)
def test_rows_keep_only_what_tells_them_apart(data: Json, shown: Json) -> None:
    assert project_fields(MEMBERS, data) == shown


def test_without_members_everything_stays() -> None:
    assert project_fields((), [{"a": 1}]) == [{"a": 1}]


RUNS = [{"at": 3, "log": "x"}, {"at": 2, "log": "x"}, {"at": 1, "log": "y"}, {"at": 0, "log": "x"}]


def test_what_a_row_repeats_of_the_row_before_is_left_out() -> None:
    assert omit_repeats(("log",), RUNS) == [RUNS[0], {"at": 2}, RUNS[2], RUNS[3]]


@pytest.mark.parametrize("data", [None, "text", {"log": "x"}, ["x"], []])
def test_what_is_no_list_of_rows_stays(data: Json) -> None:
    assert omit_repeats(("log",), data) == data
