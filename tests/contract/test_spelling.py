import pytest

from createos_mcp.contract.spelling import normalize_name


@pytest.mark.parametrize(
    "name", ["projectId", "project_id", "project-id", "PROJECT ID", "projectid"]
)
def test_names_that_differ_in_case_and_separators_are_one(name: str) -> None:
    assert normalize_name(name) == "projectid"


def test_letters_and_digits_count() -> None:
    assert normalize_name("key2") != normalize_name("key")
