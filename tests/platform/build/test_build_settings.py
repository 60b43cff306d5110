import pytest

from createos_mcp.platform.build.build_settings import check_build_settings
from createos_mcp.platform.errors import InvalidRequestError


@pytest.mark.parametrize("name", ["A", "_a", "A1_b"])
def test_a_name_that_a_shell_takes_is_taken(name: str) -> None:
    check_build_settings({"runEnvs": {name: "x"}})


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A\n", "A B", "Ä"])
def test_any_other_name_of_a_variable_is_refused_by_its_field(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"runEnvs: .* is not a valid variable name"):
        check_build_settings({"runEnvs": {name: "x"}})


def test_a_value_with_a_nul_character_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the value of 'A' contains a NUL"):
        check_build_settings({"buildVars": {"A": "x\0y"}})
