"""The rows of a list, whichever form it has."""

import pytest

from createos_mcp.contract.pages import rows_of, total_of_page
from createos_mcp.contract.values import Json

FORMS: dict[str, tuple[Json, Json]] = {
    "list": ([{"id": 1}], [{"id": 1}]),
    "page": ({"data": [{"id": 1}], "pagination": {"total": 1}}, [{"id": 1}]),
    "another member": ({"templates": [{"id": 1}]}, [{"id": 1}]),
    "page without rows": ({"data": None, "pagination": {"total": 0}}, []),
    "rows that are no objects": ([1, "x", {"id": 1}], [{"id": 1}]),
    "sentence": ("none", []),
    "nothing": (None, []),
}


@pytest.mark.parametrize(("data", "rows"), FORMS.values(), ids=FORMS)
def test_rows_are_found_in_every_form_of_a_list(data: Json, rows: Json) -> None:
    assert rows_of(data) == rows


@pytest.mark.parametrize(
    ("data", "total"),
    [
        ({"pagination": {"total": 7}}, 7),
        ({"pagination": {"total": "7"}}, None),
        ({"pagination": None}, None),
        ([], None),
    ],
)
def test_the_total_is_what_the_page_says(data: Json, total: int | None) -> None:
    assert total_of_page(data) == total
